# SPDX-License-Identifier: BSD-2-Clause
"""Every combination of transport version, ring format and optional features carries the same frames, and the driver and QEMU agree
on what was negotiated."""

import itertools
import random
import re

import pytest
from device_view import by_qmp, by_shell, queues
from judge import captured, numbered, shown, with_tag
from machine import Nic, mac_address, mac_bytes, without_notes

FACTORS = {
    "version": ("modern", "legacy"),
    "ring": ("packed", "split"),
    "event_idx": ("on", "off"),
    "indirect_desc": ("on", "off"),
    "mrg_rxbuf": ("on", "off"),
    "ctrl_vq": ("on", "off"),
    "status": ("on", "off"),
}
ALL = list(itertools.product(*FACTORS.values()))


def pairs_of(row):
    return set(itertools.combinations(enumerate(row), 2))


def pairwise(rows):
    """A selection in which every pair of values occurs: greedy, in the order of `rows`."""
    missing = set().union(*map(pairs_of, rows))
    selection = []
    while missing:
        selection.append(max(rows, key=lambda row: len(pairs_of(row) & missing)))
        missing -= pairs_of(selection[-1])
    return selection


PAIRS = pairwise(ALL)


def test_the_selection_has_every_pair_of_values():
    for (first, values), (second, others) in itertools.combinations(enumerate(FACTORS.values()), 2):
        for value, other in itertools.product(values, others):
            assert any(row[first] == value and row[second] == other for row in PAIRS), (value, other)
    assert len(PAIRS) <= 10


def outgoing(seed):
    """(the command's end, the frames) pairs: typed and generated ones."""
    source = random.Random(seed)
    typed = [bytes.fromhex("ffffffffffff525400123456 88b5") + source.randbytes(size - 14) for size in (14, 60, 511, 1514)]
    typed.append(with_tag(typed[-1]))
    commands = [(frame.hex(), [frame]) for frame in typed]
    header = bytes.fromhex("ffffffffffff") + mac_bytes(mac_address(0)) + bytes.fromhex("88b5")
    for size, count in ((14, 5), (61, 20), (1514, 20), (700, 50)):
        frame = header + bytes(index & 0xFF for index in range(size - 14))
        commands.append((f"-c {count} -s {size}", [frame] * count))
    return commands


def incoming(start):
    """100 frames to the machine, of all sizes."""
    sizes = (60, 61, 14, 128, 590, 60, 64, 1513, 1514, 75)
    frames = [numbered(start + index, sizes[index % len(sizes)], mac_address(0)) for index in range(99)]
    return frames + [with_tag(numbered(start + 99, 1514, mac_address(0)))]


def exchange(machine, seed, expected_out, expected_in):
    """100 frames each way, to the byte; adds them to the lists."""
    for command, frames in outgoing(seed):
        assert machine.command(f"net tx {command}") == [f"sent {len(frames)} frame(s), {sum(map(len, frames))} bytes"]
        expected_out += frames
    assert machine.wire.wait_for(len(expected_out)) == expected_out
    frames = incoming(seed)
    machine.start("net dump -c 100")
    machine.wait_for_text(r"# listening on net0\r\n")
    for frame in frames:
        machine.wire.send(frame)
    assert [data for _, _, data in shown(machine.finish(timeout=20.0))] == frames
    expected_in += frames


def flip_link(machine):
    for up in (False, True):
        start = machine.console.position()
        machine.set_link(up)
        machine.wait_for_text(rb"\n# net0: [^\r\n]*" + (b"up" if up else b"down"), start - 1)
        assert machine.command("net link")[0] == ("up" if up else "down")


def check_agreement(machine, row):
    settings = dict(zip(FACTORS, row))
    view = by_shell(machine)
    assert view == by_qmp(machine)
    for option in ("event_idx", "indirect_desc", "mrg_rxbuf", "ctrl_vq", "status"):
        assert (option.upper() in view.offered) == (settings[option] == "on")
    wanted = {"EVENT_IDX", "INDIRECT_DESC", "CTRL_VQ", "STATUS", "MAC"} & view.offered
    assert wanted <= view.accepted, "what helps is accepted"
    # No frame needs two buffers here, so merging would only cost; but in a legacy header it has a field.
    merges = "MRG_RXBUF" in view.offered and settings["version"] == "legacy"
    assert ("MRG_RXBUF" in view.accepted) == merges
    # A device in legacy mode cannot show that it has packed rings (2.8.10.1: no VERSION_1).
    packed = settings["ring"] == "packed" and settings["version"] == "modern"
    assert ("RING_PACKED" in view.accepted) == packed
    found = queues(machine)
    assert {queue["format"] for queue in found} == {"packed" if packed else "split"}
    assert [queue["role"] for queue in found] == ["receive", "transmit"] + ["control"] * (settings["ctrl_vq"] == "on")
    assert not any(queue["broken"] for queue in found)


def in_flight(machine):
    return [queue["in-flight"] for queue in queues(machine)]


def run(launch, row):
    settings = dict(zip(FACTORS, row))
    options = ",".join(f"{name}={value}" for name, value in settings.items() if name not in ("version", "ring"))
    options += f",packed={'on' if settings['ring'] == 'packed' else 'off'}"
    machine = launch([Nic(capture=True, options=options)], legacy=settings["version"] == "legacy")
    check_agreement(machine, row)
    at_start = in_flight(machine)
    out, back = [], []
    exchange(machine, 1, out, back)
    if settings["status"] == "on":
        flip_link(machine)
    assert without_notes(machine.command("net reset")) == ["reset complete"]
    check_agreement(machine, row)
    exchange(machine, 101, out, back)

    stats = machine.stats()
    assert (stats["tx_packets"], stats["tx_bytes"]) == (len(out), sum(map(len, out)))
    assert (stats["rx_packets"], stats["rx_bytes"]) == (len(back), sum(map(len, back)))
    assert stats["device_resets"] == 1
    assert not [name for name, value in stats.items() if value and re.search("error|drop|invalid|out_of|jump|not_in", name)]
    assert in_flight(machine) == at_start
    assert sorted(captured(machine.capture_path())) == sorted(out + back)


@pytest.mark.parametrize("row", PAIRS, ids="-".join)
def test_carries_the_same_frames_with_whatever_was_negotiated(launch, row):
    run(launch, row)


@pytest.mark.soak
@pytest.mark.parametrize("row", ALL, ids="-".join)
def test_carries_the_same_frames_with_every_combination(launch, row):
    run(launch, row)
