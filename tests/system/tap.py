# SPDX-License-Identifier: BSD-2-Clause
"""A kernel as the peer of a NIC, in a network namespace of its own that no name leads to and that goes with this object.

    machine -- tap0 (vnet_hdr) -- bridge -- near --(veth pair)-- far, with the kernel's addresses

What the machine asks to be done to a frame travels beside it through tap0 and the bridge. `near` has no offloads, so there the
kernel does it: it completes the checksum, it segments. What comes out at `far`, whose offloads are off, too, is what a cable
would carry: `far` checks each checksum, and a packet socket on it shows every frame.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import time

import pytest

KERNEL = ("10.9.0.1", "fd09::1")
GUEST = ("10.9.0.2", "fd09::2")
KERNEL_MAC = "02:00:00:00:00:01"

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 0x0002, 0x1000, 0x4000
SIOCETHTOOL = 0x8946
SET_RX_CHECKSUM, SET_TX_CHECKSUM, SET_SCATTER_GATHER, SET_TSO, SET_GSO, SET_GRO = 0x15, 0x17, 0x19, 0x1F, 0x24, 0x2C
ETH_P_ALL, PACKET_OUTGOING = 3, 4

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class KernelPeer:
    """Sockets made `with peer.inside():` live in the namespace for good."""

    def __init__(self, guest_mac):
        self._namespace = self.tap = self._packets = None
        try:
            with self._home():
                _check(_libc.unshare(CLONE_NEWNET))
                self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
                self._build(guest_mac)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def _home(self):
        """Comes back to where this thread was."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            yield
        finally:
            _check(_libc.setns(home, CLONE_NEWNET))
            os.close(home)

    @contextlib.contextmanager
    def inside(self):
        with self._home():
            _check(_libc.setns(self._namespace, CLONE_NEWNET))
            yield

    def _build(self, guest_mac):
        # Only far speaks IPv6, and without an address of its own making it announces nothing.
        self._set("ipv6/conf/default/disable_ipv6", 1)
        # Super-frames as large as they can be, whatever the round trip takes.
        self._set("ipv4/tcp_min_tso_segs", 44)
        self._set("ipv4/tcp_congestion_control", "reno")
        self.tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        self._ip("link add bridge type bridge mcast_snooping 0")
        self._ip(f"link add near type veth peer name far address {KERNEL_MAC}")
        for name in ("tap0", "near"):
            self._ip(f"link set {name} master bridge")
        for name in ("tap0", "near", "far", "bridge"):
            self._ip(f"link set {name} up")
        self.set_features("near", SET_TSO, SET_GSO, SET_TX_CHECKSUM, SET_SCATTER_GATHER)
        self.set_features("far", SET_RX_CHECKSUM, SET_GRO)
        self._ip("link set far addrgenmode none")
        self._set("ipv6/conf/far/disable_ipv6", 0)
        self._ip(f"address add {KERNEL[0]}/24 dev far")
        self._ip(f"address add {KERNEL[1]}/64 dev far nodad")
        for address in GUEST:
            self._ip(f"neighbour replace {address} lladdr {guest_mac} dev far nud permanent")
        # The first burst of a connection shall fill a super-frame, and the test is slow to acknowledge.
        self._ip("route change 10.9.0.0/24 dev far src 10.9.0.1 initcwnd 200 rto_min 10s")
        self._ip("route replace fd09::2/128 dev far initcwnd 200 rto_min 10s")
        self._packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._packets.bind(("far", 0))

    @staticmethod
    def _set(name, value):
        with open(f"/proc/sys/net/{name}", "w") as file:
            file.write(str(value))

    @staticmethod
    def _ip(arguments):
        run = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True)
        if run.returncode:
            raise OSError(f"ip {arguments}: {run.stderr.strip()}")

    @staticmethod
    def set_features(name, *commands, on=False):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            for command in commands:
                value = ctypes.create_string_buffer(struct.pack("II", command, on))
                fcntl.ioctl(any_socket, SIOCETHTOOL, struct.pack("16sP16x", name.encode(), ctypes.addressof(value)))

    @property
    def backend(self):
        return f"tap,fd={self.tap}"

    def socket(self, family, kind):
        with self.inside():
            made = socket.socket(family, kind)
        made.settimeout(5.0)
        return made

    def received(self):
        """How many frames have come out at `far`."""
        with self.inside(), open("/proc/thread-self/net/dev", encoding="ascii") as file:
            return next(int(line.split()[2]) for line in file if line.split()[0] == "far:")

    def frames_to_kernel(self, measure, total, timeout=5.0):
        """The frames that came out at `far`, oldest first, until the sum of `measure(frame)` is `total`; none that measures 0."""
        frames = []
        deadline = time.monotonic() + timeout
        while total > 0:
            ready, _, _ = select.select([self._packets], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{len(frames)} frame(s) came out of the network within {timeout} s, {total} is missing"
            data, address = self._packets.recvfrom(1 << 17)
            size = 0 if address[2] == PACKET_OUTGOING else measure(data)
            if size:
                frames.append(data)
                total -= size
        return frames

    def close(self):
        if self._packets is not None:
            self._packets.close()
        for descriptor in (self.tap, self._namespace):
            if descriptor is not None:
                os.close(descriptor)
        self.tap = self._namespace = self._packets = None


def kernel_peer_or_skip(guest_mac):
    try:
        return KernelPeer(guest_mac)
    except OSError as error:
        pytest.skip(f"no tap device in a network namespace here: {error}")
