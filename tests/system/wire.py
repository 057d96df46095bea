# SPDX-License-Identifier: BSD-2-Clause
"""The far end of a NIC's cable: unix datagram sockets that QEMU's `-netdev dgram` sends to and receives from.

One datagram is one frame. The kernel keeps a handful of datagrams per socket and then blocks the sender, in both directions, so
nothing is lost between this class and the emulated device. A thread takes in what the machine sends, as it comes.
"""

import os
import socket
import threading
import time


class Wire:
    def __init__(self, directory, name):
        self._mine = os.path.join(directory, f"{name}.h")
        self._machine = os.path.join(directory, f"{name}.q")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._mine)
        self._arrived = threading.Condition()
        self._frames = []
        self._flows = threading.Event()
        self._flows.set()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def netdev(self):
        return f"dgram,local.type=unix,local.path={self._machine},remote.type=unix,remote.path={self._mine}"

    def _read(self):
        while True:
            self._flows.wait()
            try:
                frame = self._socket.recv(65536)
            except OSError:
                return
            with self._arrived:
                if not frame:
                    return
                self._frames.append(frame)
                self._arrived.notify_all()

    def congest(self):
        """Takes one more frame, then no more until relieve()."""
        self._flows.clear()

    def relieve(self):
        self._flows.set()

    def send(self, frame):
        """Blocks while the machine takes nothing."""
        self._socket.sendto(bytes(frame), self._machine)

    def send_paced(self, frames, gap_seconds):
        due = time.monotonic()
        for frame in frames:
            self.send(frame)
            due += gap_seconds
            time.sleep(max(0.0, due - time.monotonic()))

    @property
    def frames(self):
        """What the machine has sent so far, oldest first."""
        with self._arrived:
            return list(self._frames)

    @property
    def count(self):
        with self._arrived:
            return len(self._frames)

    def clear(self):
        with self._arrived:
            self._frames.clear()

    def wait_for(self, count, timeout=5.0):
        """The frames so far, once there are `count` of them; an AssertionError if they don't come."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._frames) >= count, timeout):
                raise AssertionError(f"{len(self._frames)} frame(s) on the wire after {timeout} s, expected {count}")
            return list(self._frames)

    def close(self):
        self.relieve()
        # An empty datagram to itself ends the reader, which would otherwise sleep on in recv().
        try:
            self._socket.settimeout(1.0)
            self._socket.sendto(b"", self._mine)
        except OSError:
            pass
        self._thread.join(2.0)
        self._socket.close()
        for path in (self._mine, self._machine):
            if os.path.exists(path):
                os.unlink(path)
