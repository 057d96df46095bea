# SPDX-License-Identifier: BSD-2-Clause
"""The device may be reset at any time; traffic goes on."""

import threading

from judge import numbered, shown
from machine import Nic


def test_a_hundred_resets_under_traffic(either):
    stop = threading.Event()
    sent = [0]

    def flood():
        while not stop.is_set():
            either.wire.send(numbered(sent[0]))
            sent[0] += 1

    sender = threading.Thread(target=flood)
    sender.start()
    try:
        for _ in range(100):
            either.command("net reset")
    finally:
        stop.set()
        sender.join(20.0)
    assert not sender.is_alive()
    assert sent[0] > 100
    stats = either.stats()
    assert stats["device_resets"] == 100
    assert stats["rx_packets"] <= sent[0]
    either.wire.clear()
    assert either.command("net tx -c 300 -s 60") == ["sent 300 frame(s), 18000 bytes"]
    assert len(either.wire.wait_for(300)) == 300
    frames = [numbered(index) for index in range(300)]
    either.start("net dump -c 300")
    either.wait_for_text(r"# listening on net0\r\n")
    either.wire.send_paced(frames, 0.002)
    assert [data for _, _, data in shown(either.finish(timeout=20.0))] == frames


def test_a_reset_keeps_mtu_and_interface(launch):
    machine = launch([Nic(), Nic()])
    machine.command("net use net1")
    machine.command("net mtu 1000")
    machine.command("net reset")
    assert machine.command("net mtu") == ["1000"]
    machine.command("net tx -s 60")
    assert len(machine.wires[1].wait_for(1)) == 1
    assert machine.wires[0].count == 0


def test_a_link_change_during_resets_is_not_lost(netbsp):
    netbsp.set_link(False)
    for _ in range(5):
        netbsp.command("net reset")
    assert netbsp.command("net link")[0] == "down"
    netbsp.set_link(True)
    for _ in range(5):
        netbsp.command("net reset")
    assert netbsp.command("net link")[0] == "up"
