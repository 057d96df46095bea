# SPDX-License-Identifier: BSD-2-Clause
"""Checksum and segmentation offloads, with a kernel's network stack at the other end (tap.py). The machine's half of each TCP
connection is typed by the test; the kernel's half is a socket. What it received was checked by it, and is checked by scapy again."""

import itertools
import re
import socket
import struct
import time

import pytest
from device_view import by_qmp, by_shell, queues
from judge import shown
from machine import Nic, mac_address
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from tap import GUEST, KERNEL, KERNEL_MAC, kernel_peer_or_skip

ME = mac_address(0)
# Behind image and DMA memory, before the device tree.
FREE_MEMORY = 0x85000000
WINDOW_SCALE = 8
PORT = 4000  # the machine's


def kinds(*quick):
    """Every machine with every IP version; those that are not in `quick` are left to the long run."""
    everything = itertools.product(("modern", "packed", "legacy"), *([4, 6], ["on", "off"])[: len(quick[0]) - 1])
    return [row if row in quick else pytest.param(*row, marks=pytest.mark.soak) for row in everything]


QUICK = kinds(("modern", 4), ("packed", 6), ("legacy", 4))


@pytest.fixture
def with_kernel(request, launch):
    """start(options) boots a machine on a kernel's network and returns both."""
    peers = []

    def start(options=""):
        peers.append(kernel_peer_or_skip(ME))
        if request.param == "packed":
            options = f"packed=on,{options}".rstrip(",")
        nic = Nic(peers[-1].backend, options=options)
        machine = launch([nic], legacy=request.param == "legacy", shared_memory=True, pass_fds=[peers[-1].tap])
        return machine, peers[-1]

    yield start
    for peer in peers:
        peer.close()


def family_of(version):
    return socket.AF_INET if version == 4 else socket.AF_INET6


def network_layer(version):
    if version == 4:
        return IP(src=GUEST[0], dst=KERNEL[0])
    return IPv6(src=GUEST[1], dst=KERNEL[1])


def kernel_address(version):
    return KERNEL[0 if version == 4 else 1]


def as_sent(version, transport):
    """The frame, but for the transport's checksum: just the pseudo-header's sum (VIRTIO 1.3, 5.1.6.2). And START, OFFSET."""
    transport.chksum = 0
    frame = bytearray(bytes(Ether(src=ME, dst=KERNEL_MAC) / network_layer(version) / transport))
    start, offset = (34 if version == 4 else 54), (16 if isinstance(transport, TCP) else 6)
    addresses = frame[26:34] if version == 4 else frame[22:54]
    pseudo = addresses + struct.pack(">IHH", len(frame) - start, 0, 6 if isinstance(transport, TCP) else 17)
    total = sum(struct.unpack(f">{len(pseudo) // 2}H", pseudo))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into(">H", frame, start + offset, total)
    return bytes(frame), start, offset


def send_with_checksum_offload(machine, version, transport, options=""):
    frame, start, offset = as_sent(version, transport)
    return machine.command(f"net tx --csum {start},{offset} {options} {frame.hex()}")


def is_correct(data):
    """Whether scapy would have written the very same checksums and lengths."""
    frame = Ether(data)
    for layer in (IP, TCP, UDP):
        if layer in frame:
            del frame[layer].chksum
    for layer, field in ((IP, "len"), (IPv6, "plen"), (UDP, "len")):
        if layer in frame:
            delattr(frame[layer], field)
    return bytes(frame) == data


def from_me(data):
    """1 for a frame of the machine's, as a measure."""
    frame = Ether(data)
    return int(any(layer in frame and frame[layer].sport == PORT for layer in (TCP, UDP)))


class Connection:
    """A TCP connection between the machine, whose half is typed here, and a kernel's socket."""

    def __init__(self, machine, version, peer_port):
        self.machine, self.version = machine, version
        self.peer_port = peer_port
        self.next_seq, self.next_ack = 0x10000000, 0
        self.kernel = None

    def segment(self, flags, payload=b"", options=(), window=65000):
        made = TCP(
            sport=PORT,
            dport=self.peer_port,
            flags=flags,
            seq=self.next_seq & 0xFFFFFFFF,
            ack=self.next_ack,
            window=window,
            options=list(options),
        )
        self.next_seq += len(payload) + ("S" in flags)
        return made / payload if payload else made

    def type(self, flags, payload=b"", options=(), wait=""):
        return send_with_checksum_offload(self.machine, self.version, self.segment(flags, payload, options), wait)

    @classmethod
    def to_listener(cls, machine, peer, version):
        """The machine connects: each segment's checksum is the device's work, or the kernel would not answer."""
        with peer.socket(family_of(version), socket.SOCK_STREAM) as listener:
            listener.bind((kernel_address(version), 0))
            listener.listen()
            made = cls(machine, version, listener.getsockname()[1])
            lines = made.type("S", options=[("MSS", 1460)], wait="-w 600")
            made._follow(next(frame for frame in frames_of(lines) if TCP in frame and frame[TCP].flags == "SA"))
            made.type("A")
            made.kernel, _ = listener.accept()
        made.kernel.settimeout(5.0)
        return made

    @classmethod
    def from_kernel(cls, machine, peer, version):
        """The kernel connects."""
        kernel = peer.socket(family_of(version), socket.SOCK_STREAM)
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        kernel.setblocking(False)
        kernel.bind((kernel_address(version), 0))
        machine.start("net dump -c 1")
        machine.wait_for_text(r"# listening on net0\r\n")
        kernel.connect_ex((GUEST[0 if version == 4 else 1], PORT))
        syn = frames_of(machine.finish())[0]
        assert syn[TCP].flags & 0x02
        made = cls(machine, version, kernel.getsockname()[1])
        made._follow(syn)
        made.type("SA", options=[("MSS", 1440), ("NOP", None), ("WScale", WINDOW_SCALE)])
        made.type("A")  # with a scaled window, which lets the kernel make large segments
        kernel.settimeout(5.0)
        made.kernel = kernel
        return made

    def _follow(self, frame):
        self.next_ack = (frame[TCP].seq + 1) & 0xFFFFFFFF

    def close(self):
        self.kernel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.kernel.close()


def frames_of(lines):
    return [Ether(data) for _, _, data in shown([line for line in lines if not line.startswith("sent ")])]


def receive_exactly(kernel, count):
    data = b""
    while len(data) < count:
        piece = kernel.recv(count - len(data))
        assert piece, "the kernel's socket was closed"
        data += piece
    return data


def pattern(size):
    return b"".join(struct.pack(">I", index) for index in range(size // 4 + 1))[:size]


# ---- out --------------------------------------------------------------------------------------------------------------------


# proves: NET-TX-14, NET-TX-17
@pytest.mark.parametrize("with_kernel,version", QUICK, indirect=["with_kernel"])
def test_the_device_completes_the_checksum_of_a_datagram(with_kernel, version):
    machine, peer = with_kernel()
    with peer.socket(family_of(version), socket.SOCK_DGRAM) as kernel:
        kernel.bind((kernel_address(version), 0))
        port = kernel.getsockname()[1]
        for size in (1, 2, 333, 1400):
            # As it is, it is wrong, and the kernel drops it: what arrives is the one that was completed.
            wrong, _, _ = as_sent(version, UDP(sport=PORT, dport=port) / b"not completed")
            machine.command(f"net tx {wrong.hex()}")
            payload = pattern(size)
            frame, start, offset = as_sent(version, UDP(sport=PORT, dport=port) / payload)
            assert machine.command(f"net tx --csum {start},{offset} {frame.hex()}") == [f"sent 1 frame(s), {len(frame)} bytes"]
            assert kernel.recv(65536) == payload
            seen = peer.frames_to_kernel(from_me, 2)
            assert [is_correct(data) for data in seen] == [False, True]
            assert seen[0] == wrong
            assert seen[1][: start + offset] == frame[: start + offset]


# proves: NET-TX-14, NET-TX-17
@pytest.mark.parametrize("with_kernel,version", kinds(("modern", 6), ("packed", 4), ("legacy", 6)), indirect=["with_kernel"])
def test_the_device_completes_the_checksums_of_a_connection(with_kernel, version):
    machine, peer = with_kernel()
    connection = Connection.to_listener(machine, peer, version)
    for size in (1, 100, 1401):
        connection.type("PA", pattern(size))
        assert receive_exactly(connection.kernel, size) == pattern(size)
    assert all(is_correct(data) for data in peer.frames_to_kernel(from_me, 5))
    connection.close()


def send_to_be_segmented(connection, flags, payload, mss, error=False):
    """The frame lies in memory, without any checksum: the BSP and the device fill them all in."""
    transport = connection.segment(flags, payload)
    transport.chksum = 0
    network = network_layer(connection.version)
    if connection.version == 4:
        network.chksum = 0
    frame = bytes(Ether(src=ME, dst=KERNEL_MAC) / network / transport)
    connection.machine.write_memory(FREE_MEMORY, frame)
    line = f"net tx --tso {mss} -m {FREE_MEMORY:#x} {len(frame)}"
    if error:
        return connection.machine.refuse(line)
    assert connection.machine.command(line) == [f"sent 1 frame(s), {len(frame)} bytes"]


def payload_of(frame):
    """Without the padding behind a short packet."""
    end = frame[IP].len - frame[IP].ihl * 4 if IP in frame else frame[IPv6].plen
    return bytes(frame[TCP])[frame[TCP].dataofs * 4 : end]


def segments_to_kernel(peer, total):
    """The machine's segments with payload, as they came out of the network."""

    def payload_size(data):
        frame = Ether(data)
        return len(payload_of(frame)) if TCP in frame and frame[TCP].sport == PORT else 0

    return peer.frames_to_kernel(payload_size, total)


# proves: NET-TX-15, NET-TX-16, NET-TX-18, NET-TX-19
@pytest.mark.parametrize("with_kernel,version", QUICK, indirect=["with_kernel"])
def test_the_device_cuts_a_super_frame_into_correct_segments(with_kernel, version):
    machine, peer = with_kernel()
    connection = Connection.to_listener(machine, peer, version)
    for size, mss, flags in ((60_000, 1400, "PA"), (40_001, 536, "A"), (1401, 1400, "PA"), (1000, 1400, "PA"), (9000, 1400, "PAC")):
        seq = connection.next_seq
        send_to_be_segmented(connection, flags, pattern(size), mss)
        assert receive_exactly(connection.kernel, size) == pattern(size)
        seen = segments_to_kernel(peer, size)
        assert all(is_correct(data) for data in seen)
        frames = [Ether(data) for data in seen]
        sizes = [len(payload_of(frame)) for frame in frames]
        assert sizes == [mss] * (size // mss) + [size % mss] * (size % mss != 0)
        assert [frame[TCP].seq for frame in frames] == [seq + sum(sizes[:index]) for index in range(len(sizes))]
        assert b"".join(map(payload_of, frames)) == pattern(size)
        # The last segment alone pushes, the first alone says that the window was reduced (CWR).
        others = [False] * (len(frames) - 1)
        assert ["P" in frame[TCP].flags for frame in frames] == others + ["P" in flags]
        assert ["C" in frame[TCP].flags for frame in frames] == ["C" in flags] + others
    assert machine.stats()["tx_errors"] == 0
    connection.type("PA", b"and more")
    assert receive_exactly(connection.kernel, 8) == b"and more"
    connection.close()


# proves: NET-TX-07, NET-TX-08, NET-TX-12
@pytest.mark.parametrize(
    "option,version,flags,why",
    [
        ("csum=off", 4, "PA", "device has no CSUM"),
        ("host_tso4=off", 4, "PA", "device has no HOST_TSO4"),
        ("host_tso6=off", 6, "PA", "device has no HOST_TSO6"),
        ("host_ecn=off", 4, "PAC", "offload"),
    ],
)
@pytest.mark.parametrize("with_kernel", ["modern"], indirect=True)
def test_what_the_device_does_not_segment_is_refused_in_one_line(with_kernel, option, version, flags, why):
    machine, _ = with_kernel(option)
    connection = Connection(machine, version, 5000)
    before = machine.stats()["tx_packets"]
    assert why in send_to_be_segmented(connection, flags, pattern(5000), 1400, error=True)
    if option == "csum=off":
        frame, start, offset = as_sent(4, UDP(sport=1, dport=2) / b"x")
        assert machine.refuse(f"net tx --csum {start},{offset} {frame.hex()}").endswith("device has no CSUM")
    assert machine.stats()["tx_packets"] == before


# ---- in ---------------------------------------------------------------------------------------------------------------------

SUPER_FRAME = re.compile(r"# super-frame: (tcp[46]), segments of (\d+) bytes(, ECN)?")


def received(connection, lines, size):
    """The frames with payload, and how much of the `size` bytes of pattern has come without a gap."""
    frames = [frame for frame in frames_of(lines) if TCP in frame and payload_of(frame)]
    seen = 0
    for frame in frames:
        at = (frame[TCP].seq - connection.next_ack) & 0xFFFFFFFF
        data = payload_of(frame)
        assert at <= seen and at + len(data) <= size, "a gap, or more than was sent"
        assert pattern(size)[at : at + len(data)] == data
        seen = max(seen, at + len(data))
    return frames, seen


def stream_in(connection, size):
    """(the dump's lines, the frames with payload) of `size` bytes that the kernel's socket sends; some may come twice."""
    machine = connection.machine
    machine.start("net dump")
    machine.wait_for_text(r"# listening on net0\r\n")
    connection.kernel.sendall(pattern(size))
    deadline = time.monotonic() + 10.0
    while received(connection, machine.lines_so_far(), size)[1] < size:
        assert time.monotonic() < deadline, "not all of it came in"
        time.sleep(0.05)
    machine.interrupt()
    lines = machine.finish()
    frames, _ = received(connection, lines, size)
    connection.next_ack = (connection.next_ack + size) & 0xFFFFFFFF
    connection.type("A")
    return lines, frames


def super_frames(lines):
    return [SUPER_FRAME.fullmatch(line)[1] for line in lines if line.startswith("# super-frame")]


# proves: NET-RX-06, NET-RX-22, NET-CTRL-51
@pytest.mark.parametrize(
    "with_kernel,version,mergeable",
    kinds(("modern", 4, "on"), ("modern", 6, "off"), ("packed", 6, "on"), ("packed", 4, "off"), ("legacy", 4, "off")),
    indirect=["with_kernel"],
)
def test_super_frames_of_the_kernel_arrive_whole(with_kernel, version, mergeable):
    machine, peer = with_kernel(f"mrg_rxbuf={mergeable}")
    before = [queue["in-flight"] for queue in queues(machine)]
    connection = Connection.from_kernel(machine, peer, version)
    lines, frames = stream_in(connection, 60_000)
    assert max(len(frame) for frame in frames) > 32_768
    assert f"tcp{version}" in super_frames(lines)
    assert any(re.fullmatch(r"# partial checksum: .*", line) for line in lines)
    large = next(line for line in lines if line.startswith("# super-frame"))
    assert int(SUPER_FRAME.fullmatch(large)[2]) == 1440
    assert [queue["in-flight"] for queue in queues(machine)] == before
    stats = machine.stats()
    assert not [name for name, value in stats.items() if value and name.startswith("rx_") and name not in ("rx_packets", "rx_bytes")]
    connection.close()


# proves: NET-CTRL-32
@pytest.mark.parametrize("with_kernel,version", kinds(("modern", 4)), indirect=["with_kernel"])
def test_offloads_can_be_switched_off_and_on_while_a_connection_lives(with_kernel, version):
    machine, peer = with_kernel()
    connection = Connection.from_kernel(machine, peer, version)
    kind, others = f"guest_tso{version}", [f"guest_tso{10 - version}", "guest_ecn", "guest_ufo", "guest_csum"]
    longest = 1494 if version == 4 else 1514
    assert super_frames(stream_in(connection, 30_000)[0])

    assert machine.command(f"net offload {kind} off") == []
    lines, frames = stream_in(connection, 30_000)
    assert not super_frames(lines) and max(map(len, frames)) == longest
    assert any(line.startswith("# partial checksum") for line in lines)

    for name in others:
        machine.command(f"net offload {name} off")
    lines, frames = stream_in(connection, 30_000)
    assert not any(line.startswith(("# partial", "# super")) for line in lines)
    assert max(map(len, frames)) == longest and all(is_correct(bytes(frame)) for frame in frames)
    assert [line for line in machine.command("net offload") if line.startswith("guest_") and " on" in line] == []

    assert machine.command("net reset")
    lines, frames = stream_in(connection, 30_000)
    assert not any(line.startswith(("# partial", "# super")) for line in lines)

    for name in ("guest_csum", kind):
        machine.command(f"net offload {name} on")
    assert super_frames(stream_in(connection, 30_000)[0])
    connection.close()


@pytest.mark.parametrize("with_kernel", ["modern"], indirect=True)
@pytest.mark.parametrize("option", ["ctrl_guest_offloads=off", "ctrl_vq=off"])
def test_what_cannot_be_switched_is_refused_in_one_line(with_kernel, option):
    machine, _ = with_kernel(option)
    before = machine.command("net offload")
    assert machine.refuse("net offload guest_tso4 off").endswith(": device has no CTRL_GUEST_OFFLOADS")
    assert machine.refuse("net offload host_tso4 off")
    assert machine.command("net offload") == before and "guest_tso4 on fixed" in before


@pytest.mark.parametrize("with_kernel", ["packed"], indirect=True)
def test_the_features_are_those_that_qemu_says(with_kernel):
    machine, _ = with_kernel()
    view = by_shell(machine)
    assert view == by_qmp(machine)
    assert {"CSUM", "HOST_TSO4", "HOST_TSO6", "GUEST_CSUM", "GUEST_TSO4", "GUEST_TSO6", "GUEST_ECN"} <= view.accepted
