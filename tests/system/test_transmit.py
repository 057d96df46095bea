# SPDX-License-Identifier: BSD-2-Clause
"""What is typed is what goes onto the wire; what must not be sent is refused and counts nothing."""

import random
import time

import pytest
from judge import captured, numbered, with_tag
from machine import Nic, mac_address, mac_bytes

HEADER = "ffffffffffff 525400123456 88b5"


def frame_of(size, seed=1):
    return bytes.fromhex(HEADER) + random.Random(seed + size).randbytes(size - 14)


# proves: NET-TX-01, LEG-16, LEG-19
@pytest.mark.parametrize("options", ["mrg_rxbuf=on", "mrg_rxbuf=off"])
@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_every_size_arrives_with_exactly_its_bytes(launch, legacy, options):
    machine = launch([Nic(capture=True, options=options)], legacy=legacy)
    frames = [frame_of(size) for size in (14, 15, 60, 61, 1513, 1514)] + [with_tag(frame_of(1514)), with_tag(frame_of(14))]
    for frame in frames:
        assert machine.command(f"net tx {frame.hex()}") == [f"sent 1 frame(s), {len(frame)} bytes"]
    assert machine.wire.wait_for(len(frames)) == frames
    assert captured(machine.capture_path()) == frames


def test_hex_may_hold_spaces_colons_and_capitals(netbsp):
    netbsp.command("net tx ff:ff:ff:ff:ff:ff 52 54 00 12 34 56 88B5 00:0a 0B")
    assert netbsp.wire.wait_for(1) == [bytes.fromhex("ffffffffffff52540012345688b5000a0b")]


def test_padding_fills_up_to_60_bytes_with_zeros(netbsp):
    frame = frame_of(20)
    assert netbsp.command(f"net tx -p {frame.hex()}") == ["sent 1 frame(s), 60 bytes"]
    assert netbsp.wire.wait_for(1) == [frame + bytes(40)]
    longer = frame_of(61)
    netbsp.command(f"net tx -p {longer.hex()}")
    assert netbsp.wire.wait_for(2)[1] == longer


def test_generated_frames_look_as_ordered(netbsp):
    assert netbsp.command("net tx -c 3 -s 100 -d 02:00:00:00:00:07 -t 0x88b6 -b 0x5a") == ["sent 3 frame(s), 300 bytes"]
    expected = bytes.fromhex("020000000007") + mac_bytes(mac_address(0)) + bytes.fromhex("88b6") + b"\x5a" * 86
    assert netbsp.wire.wait_for(3) == [expected] * 3


def test_ten_thousand_frames_all_arrive(either):
    frame = frame_of(60)
    assert either.command(f"net tx -c 10000 {frame.hex()}", timeout=30) == ["sent 10000 frame(s), 600000 bytes"]
    assert either.wire.wait_for(10000) == [frame] * 10000
    time.sleep(0.05)
    assert either.wire.count == 10000


def test_no_frame_is_left_behind_by_a_congested_network(any_ring):
    """QEMU waits until its network takes more, goes on, and must be told about what comes after that."""
    kicks, sent = [0], 0
    for _ in range(5):
        any_ring.wire.congest()
        any_ring.start("net tx -c 50 -s 700")
        time.sleep(0.1)  # the network takes about ten
        any_ring.wire.relieve()
        assert any_ring.finish() == ["sent 50 frame(s), 35000 bytes"]
        assert any_ring.command("net tx -s 60") == ["sent 1 frame(s), 60 bytes"]
        sent += 51
        any_ring.wire.wait_for(sent)
        kicks.append(any_ring.stats()["watchdog_kicks"])
    # Hardly ever: a busy host may stop the machine for a while.
    assert sum(later > earlier for earlier, later in zip(kicks, kicks[1:])) < 2, kicks


def test_a_gap_spaces_frames(netbsp):
    begun = time.monotonic()
    netbsp.command("net tx -c 11 -g 20000 -s 60")
    assert 0.2 <= time.monotonic() - begun < 2.0
    assert len(netbsp.wire.wait_for(11)) == 11


def test_ctrl_c_ends_a_long_send(netbsp):
    netbsp.start("net tx -c 100000 -g 10000 -s 60")
    netbsp.wire.wait_for(3)
    netbsp.interrupt()
    netbsp.finish(timeout=3.0)
    assert netbsp.wire.count < 1000


REFUSED = {
    "no bytes": "net tx",
    "13 bytes": "net tx " + frame_of(14).hex()[:-2],
    "over mtu + 14": "net tx " + frame_of(1515).hex(),
    "over mtu + 14 + 4 with a tag": "net tx " + with_tag(frame_of(1515)).hex(),
    "an odd digit": "net tx " + frame_of(60).hex()[:-1],
    "no hex": "net tx " + frame_of(60).hex()[:-2] + "zz",
    "an unknown option": "net tx -z " + frame_of(60).hex(),
    "an option without its value": "net tx -c",
    "a count that is no number": "net tx -c many " + frame_of(60).hex(),
    "no frame at all": "net tx -c 0 " + frame_of(60).hex(),
    "an unknown interface": "net tx -i net9 " + frame_of(60).hex(),
    "a generated frame of 13 bytes": "net tx -s 13",
    "a generated frame over mtu + 14": "net tx -s 1515",
    "a bad address": "net tx -s 60 -d 02:00:00:00:00",
    "a byte over 255": "net tx -s 60 -b 256",
    "an unknown subcommand": "net txx " + frame_of(60).hex(),
}


def test_what_cannot_be_sent_is_refused_in_one_line_and_counts_nothing(netbsp):
    before = netbsp.stats()
    for what, line in REFUSED.items():
        assert netbsp.refuse(line).startswith("error: "), what
    after = netbsp.stats()
    counted = {name for name in before if before[name] != after[name]}
    assert not {name for name in counted if name.startswith("tx_")}, counted
    netbsp.command("net tx -s 60")
    assert netbsp.wire.wait_for(1)
    assert captured(netbsp.capture_path()) == netbsp.wire.frames


def test_a_frame_from_memory_is_sent_as_it_lies_there(netbsp):
    # The boot header of the image itself: its magic number stands at 0x38.
    netbsp.command("net tx -m 0x80200000 64")
    frame = netbsp.wire.wait_for(1)[0]
    assert len(frame) == 64 and frame[0x38:0x3C] == b"RSC\x05"
    netbsp.refuse("net tx -m 0 64")
    assert netbsp.command("net mac") == [mac_address(0)]


# proves: FEAT-08
@pytest.mark.parametrize("options", ["event_idx=off", "ctrl_vq=off", "indirect_desc=off", "any_layout=off", "status=off,mrg_rxbuf=off"])
@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_works_without_optional_features(launch, legacy, options):
    machine = launch([Nic(options=options)], legacy=legacy)
    frame = frame_of(1514)
    assert machine.command(f"net tx -c 600 {frame.hex()}") == ["sent 600 frame(s), 908400 bytes"]
    assert machine.wire.wait_for(600) == [frame] * 600
    machine.start("net dump -c 300 -q")
    machine.wait_for_text(r"# listening on net0\r\n")
    machine.wire.send_paced([numbered(index) for index in range(300)], 0.001)
    assert machine.finish()[-1] == "# captured 300 frame(s), dropped 0"


# proves: FEAT-14, FEAT-15
def test_works_where_the_device_asks_for_platform_addresses(launch):
    machine = launch([Nic(options="iommu_platform=on")])
    frame = frame_of(60)
    machine.command(f"net tx {frame.hex()}")
    assert machine.wire.wait_for(1) == [frame]
