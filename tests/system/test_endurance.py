# SPDX-License-Identifier: BSD-2-Clause
"""Many frames each way, each accounted for: counted at both ends, and no buffer is missing afterwards.

The wire is a byte stream (length, frame, length, frame, ...), which takes and gives thousands of frames with one system call and
holds whoever is too fast, so nothing may be lost.
"""

import socket
import struct
import threading
import time

import pytest
from device_view import queues
from judge import numbered, shown
from machine import Nic, mac_address, mac_bytes

COUNTS = [200_000, pytest.param(10_000_000, marks=pytest.mark.soak)]
KINDS = ["split", "packed"]
# Frames a second, at the very least.
SLOWEST = 20_000


class Stream:
    """The far end of `-netdev socket`. A thread takes in and compares what comes."""

    def __init__(self):
        self.socket, self.machines = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for end in (self.socket, self.machines):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    @property
    def backend(self):
        return f"socket,fd={self.machines.fileno()}"

    def send(self, frames, count):
        """`count` frames, the list over and over."""
        round_ = b"".join(map(record, frames))
        whole, rest = divmod(count, len(frames))
        for _ in range(whole):
            self.socket.sendall(round_)
        self.socket.sendall(b"".join(map(record, frames[:rest])))

    def expect(self, frame, count):
        """Reads `count` times this frame; calls itself wrong at the first byte that differs."""
        expected = record(frame) * 4096
        size, left = len(record(frame)), len(record(frame)) * count
        at = 0
        self.socket.settimeout(30.0)
        while left:
            data = self.socket.recv(min(left, len(expected) - at))
            assert data, "the stream ended"
            assert data == expected[at : at + len(data)], "a frame was damaged, lost or came twice"
            at = (at + len(data)) % size
            left -= len(data)
        self.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            self.socket.recv(1)
        self.socket.settimeout(None)

    def close(self):
        self.socket.close()
        self.machines.close()


def record(frame):
    return struct.pack(">I", len(frame)) + frame


@pytest.fixture
def streaming(launch):
    """start(kind) boots a machine on a stream."""
    pairs = []

    def start(kind):
        stream = Stream()
        options = "packed=on" if kind == "packed" else ""
        machine = launch([Nic(stream.backend, options=options)], pass_fds=[stream.machines.fileno()])
        pairs.append((machine, stream))
        assert {queue["format"] for queue in queues(machine)} == {kind}
        return machine, stream

    yield start
    for machine, stream in pairs:
        machine.kill()  # first, for QEMU 7.2 may crash if its peer goes while frames wait
        stream.close()


def in_flight(machine):
    return [queue["in-flight"] for queue in queues(machine)]


def unexplained(stats, *expected):
    """Counters of anything but the usual."""
    usual = {"interrupts", "notifications", "polls", "rekicks", "tx_ring_full", "control_commands", *expected}
    return {name: value for name, value in stats.items() if value and name not in usual}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_sent_arrives_once(streaming, kind, count):
    machine, stream = streaming(kind)
    before = in_flight(machine)
    frame = mac_bytes("ff:ff:ff:ff:ff:ff") + mac_bytes(mac_address(0)) + bytes.fromhex("88b5") + bytes(range(46))
    failure = []

    def read():
        try:
            stream.expect(frame, count)
        except BaseException as error:
            failure.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert machine.command(f"net tx -c {count} -s 60", timeout=20 + count / SLOWEST) == [f"sent {count} frame(s), {60 * count} bytes"]
    reader.join(40.0)
    assert not failure, failure[0]
    assert not reader.is_alive()
    stats = machine.stats()
    assert (stats["tx_packets"], stats["tx_bytes"]) == (count, 60 * count)
    assert unexplained(stats, "tx_packets", "tx_bytes") == {}
    assert in_flight(machine) == before


# proves: SPLIT-16
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_that_came_is_counted_once(streaming, kind, count):
    machine, stream = streaming(kind)
    before = in_flight(machine)
    frames = [numbered(index, 60 + index % 5, mac_address(0)) for index in range(1000)]
    begun = time.monotonic()
    stream.send(frames, count)
    while machine.stats()["rx_packets"] < count:
        assert time.monotonic() - begun < 20 + count / SLOWEST, "frames are missing"
        time.sleep(0.1)
    stats = machine.stats()
    assert (stats["rx_packets"], stats["rx_bytes"]) == (count, sum(map(len, frames)) * count // 1000)
    assert unexplained(stats, "rx_packets", "rx_bytes") == {}
    assert in_flight(machine) == before
    # What comes then comes whole.
    machine.start("net dump -c 1000")
    machine.wait_for_text(r"# listening on net0\r\n")
    stream.send(frames, 1000)
    assert [data for _, _, data in shown(machine.finish(timeout=20.0))] == frames
