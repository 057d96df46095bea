# SPDX-License-Identifier: BSD-2-Clause
"""Independent judges of frames: captures that QEMU wrote, what text2pcap makes of the console, and the frames that tests use."""

import re
import struct
import subprocess

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.utils import RawPcapReader

PREAMBLE = re.compile(r"([IO]) (\d+\.\d{6})")
BYTES = re.compile(r"([0-9a-f]{8}): ((?:[0-9a-f]{2} ){1,16}) *\|(.*)\|")


def captured(path):
    """The frames of a filter-dump file, in both directions, oldest first."""
    reader = RawPcapReader(path)
    try:
        return [bytes(data) for data, _ in reader]
    finally:
        reader.close()


def shown(lines):
    """[(direction, seconds, bytes)] that `net dump` or `net tx -w` printed. Strict: any other line must be a `# ` line."""
    frames = []
    for line in lines:
        preamble = PREAMBLE.fullmatch(line)
        row = BYTES.fullmatch(line)
        if preamble:
            frames.append((preamble[1], float(preamble[2]), b""))
        elif row:
            direction, seconds, so_far = frames[-1]
            piece = bytes.fromhex(row[2])
            assert int(row[1], 16) == len(so_far), f"wrong offset in {line!r}"
            assert row[3] == "".join(chr(byte) if 0x20 <= byte <= 0x7E else "." for byte in piece), line
            frames[-1] = (direction, seconds, so_far + piece)
        else:
            assert line.startswith("# "), f"neither a frame nor a note: {line!r}"
    return frames


def captured_and_dropped(lines):
    """The two numbers of `net dump`'s last line."""
    numbers = re.fullmatch(r"# captured (\d+) frame\(s\), dropped (\d+)", lines[-1])
    assert numbers, lines[-1]
    return int(numbers[1]), int(numbers[2])


def by_text2pcap(console_bytes, directory):
    """[(direction, seconds, bytes)] that text2pcap reads from console output as it is."""
    text, capture = directory / "console.txt", directory / "console.pcapng"
    text.write_bytes(console_bytes)
    run = subprocess.run(
        ["text2pcap", "-D", "-t", "%s.%f", str(text), str(capture)], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return list(_packets(capture.read_bytes()))


def _packets(pcapng):
    """Enhanced packet blocks. (scapy's reader leaves the direction out.)"""
    ticks, at = 10**6, 0
    while at < len(pcapng):
        kind, length = struct.unpack_from("<II", pcapng, at)
        if kind == 1:  # interface description: option 9 is the resolution of times, 10^-n
            ticks = 10 ** _options(pcapng, at + 16, at + length - 4).get(9, b"\x06")[0]
        elif kind == 6:
            _, high, low, size, _ = struct.unpack_from("<IIIII", pcapng, at + 8)
            data = pcapng[at + 28 : at + 28 + size]
            flags = _options(pcapng, at + 28 + (size + 3) // 4 * 4, at + length - 4).get(2, b"\0")[0] & 3
            yield {1: "I", 2: "O"}.get(flags, "?"), (high << 32 | low) / ticks, data
        at += length


def _options(block, at, end):
    options = {}
    while at + 4 <= end:
        code, length = struct.unpack_from("<HH", block, at)
        options[code] = block[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return options


def numbered(index, size=60, destination="ff:ff:ff:ff:ff:ff"):
    """A frame of just `size` bytes that carries its number."""
    head = bytes.fromhex(destination.replace(":", "")) + bytes.fromhex("525400000001 88b5") + struct.pack(">I", index)
    return head + bytes((index + offset) & 0xFF for offset in range(size - len(head)))


def mixed(me, count=20):
    """Real frames of every kind that the dump must show faithfully, from 14 to 1,514 bytes."""
    other = "52:54:00:00:00:01"
    patterns = [
        Ether(src=other, dst="ff:ff:ff:ff:ff:ff") / ARP(pdst="10.0.0.1", psrc="10.0.0.2", hwsrc=other),
        Ether(src=other, dst=me) / IP(src="10.0.0.2", dst="10.0.0.1") / UDP(sport=7, dport=9) / b"00 11 22 33 I 9.000001 |",
        Ether(src=other, dst="33:33:ff:00:00:01") / IPv6(src="fe80::2", dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt="fe80::1"),
        Ether(src=other, dst=me) / Dot1Q(vlan=100, prio=3) / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP() / bytes(range(48)),
        Ether(src=other, dst=me, type=0x88B5),
        Ether(src=other, dst=me) / IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=1, dport=2) / (b"# netbsp> \r\n0000: ff " * 70)[:1460],
        Ether(src=other, dst=me, type=0x88B5) / b"00000010: aa bb cc\r\nO 1.000000\r\n",
    ]
    return [bytes(patterns[index % len(patterns)]) for index in range(count)]


def with_tag(frame, vlan=100):
    """The same frame with an 802.1Q tag."""
    return frame[:12] + struct.pack(">HH", 0x8100, vlan) + frame[12:]
