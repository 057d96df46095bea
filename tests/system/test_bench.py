# SPDX-License-Identifier: BSD-2-Clause
"""`net bench`: every frame counts, is numbered and arrives; the figures are not judged here."""

import struct

import pytest
from judge import numbered
from machine import Nic, mac_address, mac_bytes, without_notes

COUNT = 20000
VALUES = ["frames", "bytes", "seconds", "frames_per_second", "bytes_per_second", "notifications", "interrupts", "instructions_per_frame"]


def results(lines):
    return dict(line.split(" ") for line in without_notes(lines))


def number_of(frame):
    return struct.unpack_from(">I", frame, 14)[0]


@pytest.mark.parametrize("options", ["-b 32", "-b 128 --copy", "-b 7 -s 1514"])
def test_every_number_is_sent_once_and_in_order(any_ring, options):
    found = results(any_ring.command(f"net bench tx -n {COUNT} {options}", timeout=60))
    assert list(found) == VALUES and found["frames"] == str(COUNT)
    size = 1514 if "1514" in options else 60
    assert found["bytes"] == str(COUNT * size)
    frames = any_ring.wire.wait_for(COUNT)
    head = b"\xff" * 6 + mac_bytes(mac_address(0)) + b"\x88\xb5"
    assert frames == [head + struct.pack(">I", number) + bytes(size - 18) for number in range(COUNT)]
    assert any_ring.wire.count == COUNT


def test_received_numbers_are_checked(any_ring):
    any_ring.start(f"net bench rx -n {COUNT}")
    any_ring.wait_for_text(r"# receiving on net0\r\n")
    for number in range(COUNT):
        any_ring.wire.send(numbered(number))
    found = results(any_ring.finish(timeout=60))
    assert list(found) == [*VALUES, "lost", "reordered"]
    assert (found["frames"], found["bytes"], found["lost"], found["reordered"]) == (str(COUNT), str(60 * COUNT), "0", "0")


def test_a_missing_and_a_late_number_are_told_apart(netbsp):
    netbsp.start("net bench rx -t 1")
    netbsp.wait_for_text(r"# receiving on net0\r\n")
    for number in [*range(100), *range(101, 200), 201, 200, *range(202, 300)]:
        netbsp.wire.send(numbered(number))
    found = results(netbsp.finish(timeout=60))
    assert (found["frames"], found["lost"], found["reordered"]) == ("299", "1", "1")


def test_every_frame_is_echoed_with_swapped_addresses(any_ring):
    sent = [numbered(number, size=60 + number % 1455) for number in range(3000)]
    any_ring.start("net bench echo")
    any_ring.wait_for_text(r"# echoing on net0\r\n")
    for number, frame in enumerate(sent):
        any_ring.wire.send(frame)
        if number < 100:  # alone, then in bursts
            any_ring.wire.wait_for(number + 1)
    assert any_ring.wire.wait_for(len(sent), timeout=30) == [frame[6:12] + frame[:6] + frame[12:] for frame in sent]
    any_ring.interrupt()
    found = results(any_ring.finish())
    assert found["frames"] == str(len(sent)) and found["bytes"] == str(sum(map(len, sent)))


def test_ctrl_c_ends_a_run_with_what_was_done(netbsp):
    netbsp.start("net bench tx -n 4000000000")
    netbsp.wait_for_text(r"# \d+ frame\(s\)\r\n")
    netbsp.interrupt()
    found = results(netbsp.finish(timeout=5))
    assert list(found) == VALUES
    assert netbsp.wire.wait_for(int(found["frames"])) and netbsp.wire.count == int(found["frames"])
    assert number_of(netbsp.wire.frames[-1]) == netbsp.wire.count - 1


def test_a_run_ends_when_the_link_goes(netbsp):
    netbsp.start("net bench rx")
    netbsp.wait_for_text(r"# receiving on net0\r\n")
    netbsp.set_link(False)
    lines = netbsp.finish(error=True)
    assert without_notes(lines) == ["error: net bench rx: link went down"]
    assert netbsp.refuse("net bench tx") == "error: net bench tx: link is down"
    netbsp.set_link(True)
    netbsp.wait_for_text(r"# net0: link is up\r\n")
    assert results(netbsp.command("net bench tx -n 1000"))["frames"] == "1000"


def test_other_interfaces_are_served_meanwhile(launch):
    machine = launch([Nic(), Nic()])
    before = machine.stats(" -i net1")["rx_packets"]
    machine.start("net bench echo")
    machine.wait_for_text(r"# echoing on net0\r\n")
    for number in range(1000):  # more than a ring holds
        machine.wires[1].send(numbered(number))
    machine.wire.send(numbered(0))
    machine.wire.wait_for(1)
    machine.interrupt()
    assert results(machine.finish())["frames"] == "1"
    assert machine.stats(" -i net1")["rx_packets"] - before == 1000
