# SPDX-License-Identifier: BSD-2-Clause
"""What comes in is shown whole, in order and with nothing added, whatever the load."""

import re
import threading
import time

import pytest
from judge import by_text2pcap, captured_and_dropped, mixed, numbered, shown, with_tag
from machine import Nic, mac_address

LISTENING = r"# listening on net0\r\n"


def dump(machine, options, frames, gap=0.002, timeout=20.0):
    """Runs `net dump` while `frames` come in; returns the lines."""
    machine.start(f"net dump {options}")
    machine.wait_for_text(LISTENING)
    machine.wire.send_paced(frames, gap)
    return machine.finish(timeout)


def test_a_dump_shows_exactly_what_came_in(either):
    frames = [numbered(index, size) for index, size in enumerate((60, 61, 64, 128, 1513, 1514))]
    lines = dump(either, f"-c {len(frames)}", frames)
    assert lines[0] == "# listening on net0"
    assert [data for _, _, data in shown(lines)] == frames
    assert {direction for direction, _, _ in shown(lines)} == {"I"}
    assert lines[-1] == f"# captured {len(frames)} frame(s), dropped 0"


def test_a_tagged_frame_of_1518_bytes_is_received_whole(either):
    frames = [with_tag(numbered(1, 1514)), with_tag(numbered(2, 60))]
    assert len(frames[0]) == 1518
    assert [data for _, _, data in shown(dump(either, "-c 2", frames))] == frames


def test_a_dump_ends_by_count_by_time_and_by_ctrl_c(netbsp):
    assert dump(netbsp, "-c 1", [numbered(1)])[-1] == "# captured 1 frame(s), dropped 0"
    assert dump(netbsp, "-t 1", [numbered(1), numbered(2)])[-1] == "# captured 2 frame(s), dropped 0"
    netbsp.start("net dump")
    netbsp.wait_for_text(LISTENING)
    netbsp.interrupt()
    assert netbsp.finish()[-1] == "# captured 0 frame(s), dropped 0"


def test_a_quiet_dump_prints_a_line_a_frame(netbsp):
    lines = dump(netbsp, "-c 2 -q", [numbered(1), numbered(2, 1514)])
    assert len(lines) == 4
    assert "60" in lines[1].split() and "1514" in lines[2].split()


def test_a_dump_shows_sent_frames_when_asked(launch):
    machine = launch([Nic("user")])
    # An ARP request for slirp's gateway, with its answer.
    request = bytes.fromhex("ffffffffffff5254001234560806 0001080006040001 525400123456 0a00020f 000000000000 0a000202")
    lines = machine.command(f"net tx -w 300 -o -p {request.hex()}")
    frames = shown([line for line in lines if not line.startswith("sent ")])
    assert ("O", request + bytes(60 - len(request))) in [(direction, data) for direction, _, data in frames]
    assert "I" in [direction for direction, _, _ in frames]


def test_text2pcap_reads_a_dump_with_log_lines_in_between(either, tmp_path):
    frames = mixed(mac_address(0))
    either.command("net mcast add 33:33:ff:00:00:01")
    either.start("net dump -c 20")
    either.wait_for_text(LISTENING)
    for index, frame in enumerate(frames):
        if index in (5, 6, 11, 17):
            # A frame that comes while the link is down is lost by design, so wait for those that were sent before, and then until
            # the change was noticed.
            deadline = time.monotonic() + 5.0
            while len(shown(either.lines_so_far())) < index:
                assert time.monotonic() < deadline, "a frame did not come in"
                time.sleep(0.005)
            for up in (False, True):
                start = either.console.position()
                either.set_link(up)
                either.wait_for_text(rb"\n# [^\r\n]*" + (b"up" if up else b"down"), start - 1)
        either.wire.send_paced([frame], 0.002)
    raw = either.finish_raw(timeout=20.0)
    packets = by_text2pcap(raw, tmp_path)
    assert [data for _, _, data in packets] == frames
    assert {direction for direction, _, _ in packets} == {"I"}
    printed = [float(time) for time in re.findall(rb"[\r\n]I (\d+\.\d{6})", raw)]
    assert [seconds for _, seconds, _ in packets] == pytest.approx(printed, abs=1e-6)
    assert printed == sorted(printed)
    assert raw.count(b"\n# ") >= 8, "the log lines were to fall into the dump"


@pytest.mark.parametrize("kind", ["modern", "packed", "legacy"])
def test_a_flood_is_counted_and_what_follows_arrives_exactly(launch, kind):
    machine = launch([Nic(options="packed=on" if kind == "packed" else "")], legacy=kind == "legacy")
    flood = 100_000
    before = machine.stats()
    machine.start("net dump")
    machine.wait_for_text(LISTENING)
    for index in range(flood):
        machine.wire.send(numbered(index))
    machine.interrupt()
    lines = machine.finish(timeout=60.0)
    frames = [data for _, _, data in shown(lines)]
    numbers = [int.from_bytes(data[14:18], "big") for data in frames]
    assert frames == [numbered(number) for number in numbers], "a captured frame was damaged"
    assert numbers == sorted(set(numbers)), "captured frames are out of order"
    shown_count, dropped = captured_and_dropped(lines)
    assert shown_count == len(frames)
    after = machine.stats()
    gained = {name: after[name] - before[name] for name in after}
    assert gained["rx_packets"] + gained["rx_dropped"] + gained["rx_errors"] == flood
    assert gained["rx_errors"] == 0
    assert shown_count + dropped <= flood

    paced = [numbered(index, 64 + index % 200) for index in range(1000)]
    lines = dump(machine, "-c 1000", paced, gap=0.001, timeout=60.0)
    assert [data for _, _, data in shown(lines)] == paced
    assert lines[-1] == "# captured 1000 frame(s), dropped 0"


def test_receives_while_it_sends(netbsp):
    """Both directions at once, each checked to the frame."""
    before = netbsp.stats()
    incoming = [numbered(index) for index in range(5000)]
    sender = threading.Thread(target=lambda: [netbsp.wire.send(frame) for frame in incoming])
    sender.start()
    netbsp.command("net tx -c 5000 -s 200", timeout=30.0)
    sender.join(30.0)
    assert not sender.is_alive()
    assert len(netbsp.wire.wait_for(5000)) == 5000
    after = netbsp.stats()
    assert after["tx_packets"] - before["tx_packets"] == 5000
    assert after["rx_packets"] - before["rx_packets"] == 5000


def test_without_a_backend_nothing_hangs(launch):
    machine = launch([Nic("none")])
    assert machine.command("net mac") == [mac_address(0)]
    machine.command("net tx -s 60")
    assert machine.command("net dump -t 1")[-1] == "# captured 0 frame(s), dropped 0"
