# SPDX-License-Identifier: BSD-2-Clause
"""What a device asks for by itself has its effect within a second."""

import re
import time

import pytest
from machine import Nic, mac_address, mac_bytes
from scapy.layers.l2 import ARP, Ether

# Bit 1 of the configuration's status field: the device wants an announcement (VIRTIO 1.3, 5.1.4).
STATUS_FIELD = 0x10008106
ANNOUNCE = 2
RARP_REQUEST = 3


def status_field(machine):
    line = machine.command(f"md.w {STATUS_FIELD:#x} 1")[0]
    return int(line.split()[1], 16)


def announcements(frames, mac):
    """Those that tell everybody where `mac` is."""
    found = []
    for data in frames:
        frame = Ether(data)
        if frame.type == 0x8035:
            assert (frame.dst, frame.src) == ("ff:ff:ff:ff:ff:ff", mac)
            body = ARP(data[14:])
            assert (body.op, body.hwsrc, body.hwdst) == (RARP_REQUEST, mac, mac)
            assert len(data) == 60
            found.append(data)
    return found


def ask(machine, rounds):
    machine.monitor.execute("announce-self", initial=50, max=100, rounds=rounds, step=50)


# proves: NET-CTRL-12, NET-CTRL-13, NET-CTRL-14
def test_the_device_asks_for_an_announcement_and_gets_it_within_a_second(any_ring):
    seconds = []
    for count in (1, 2, 3):
        start, begun = any_ring.console.position(), time.monotonic()
        ask(any_ring, 1)
        any_ring.wait_for_text(rb"\n# net0: announced\r\n", start - 1)
        # QEMU sends one of its own, too: two on the wire, one of which the driver counts.
        frames = any_ring.wire.wait_for(2 * count)
        seconds.append(time.monotonic() - begun)
        assert len(announcements(frames, mac_address(0))) == 2 * count
        stats = any_ring.stats()
        assert (stats["tx_packets"], stats["announcements"]) == (count, count)
        assert not status_field(any_ring) & ANNOUNCE, "the request was acknowledged"
    # Most of them: a busy host may stop the machine for a while.
    assert sorted(seconds)[1] < 1.0
    assert any_ring.command("net link")[0] == "up"
    assert stats["link_changes"] == 0


def test_a_request_during_a_burst_of_frames_is_answered(netbsp):
    start = netbsp.console.position()
    netbsp.type("net tx -c 30000 -s 60\r")
    netbsp.wire.wait_for(100)
    ask(netbsp, 1)
    netbsp.wait_for_text(rb"\n# net0: announced\r\n", start)
    netbsp.wait_for_text(rb"\nsent 30000 frame\(s\)", start, 20.0)
    assert len(announcements((data for data in netbsp.wire.wait_for(30002) if data[12:14] == b"\x80\x35"), mac_address(0))) == 2


def test_without_the_feature_only_qemu_announces(launch):
    machine = launch([Nic(options="guest_announce=off")])
    ask(machine, 1)
    machine.wire.wait_for(1)
    machine.command("net dump -t 1")
    assert machine.wire.count == 1
    assert machine.stats()["tx_packets"] == 0


@pytest.mark.parametrize("options", ["", "guest_announce=off", "ctrl_vq=off"])
def test_net_announce_announces_whatever_the_device_offers(launch, options):
    machine = launch([Nic(options=options)])
    assert machine.command("net announce") == ["announced"]
    assert len(announcements(machine.wire.wait_for(1), mac_address(0))) == 1
    if not options:
        machine.command("net mac 02:00:00:00:00:99")
        machine.command("net announce")
        assert len(announcements(machine.wire.wait_for(2)[1:], "02:00:00:00:00:99")) == 1


def test_link_and_announcement_at_once_are_both_seen(netbsp):
    start = netbsp.console.position()
    netbsp.set_link(False)
    netbsp.set_link(True)
    ask(netbsp, 1)
    netbsp.wait_for_text(rb"\n# net0: announced\r\n", start - 1)
    assert netbsp.command("net link")[0] == "up"
    assert mac_bytes(mac_address(0)) in netbsp.wire.wait_for(1)[0]
    assert not re.search(rb"\n# (warn|error)", netbsp.console.text(start))
