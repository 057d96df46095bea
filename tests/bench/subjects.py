# SPDX-License-Identifier: BSD-2-Clause
"""What a benchmark runs: a scenario, and the machines that can go through it: the floor, netbsp, and commands of the user's.

Each run is a machine of its own on one vCPU. The cable's far end is build/bench/peer, or two ports of a hub, which drop frames.
"""

import dataclasses
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system"))
from machine import ELF, Machine, MachineError, Nic, mac_address, without_notes  # noqa: E402
from tap import GUEST, KERNEL, KERNEL_MAC, KernelPeer  # noqa: E402

BUILD = ROOT / "build/bench"
LIMIT = 40  # seconds that nothing may take longer than
PEER_MODE = {"tx": "sink", "rx": "blast", "echo": "rtt"}
ECHO_WARM_UP = 50  # round trips that build/bench/peer does not count
PARAMETERS = 0x81000000  # of the floor, see floor/floor.ld
SEGMENT = 1448  # bytes of payload that the device cuts a super-frame into
HEADERS = 54  # of a TCP packet in IPv4 in Ethernet
FREE_MEMORY = 0x85000000  # behind image and DMA memory
NO_TRAFFIC = ["-netdev", "hubport,id=spare,hubid=0"]  # a hub with one port only would block its sender


@dataclasses.dataclass(frozen=True)
class Scenario:
    mode: str  # tx, rx, echo or boot
    backend: str = "null"  # null, dgram or stream; tap: TCP packets, cut into segments if they are longer than one
    size: int = 60
    ring_format: str = "split"
    ring: int = 256
    batch: int = 128
    nics: int = 1

    @property
    def name(self):
        extra = "".join(f" {key}={getattr(self, key)}" for key in ("ring", "batch", "nics") if self.differs(key))
        return f"{self.mode} {self.backend} {self.size} {self.ring_format}{extra}"

    def differs(self, key):
        return getattr(self, key) != getattr(Scenario, key)

    @property
    def segments(self):
        """Of a TCP packet of this size."""
        return max(1, (self.size - HEADERS) // SEGMENT)

    def frames(self, scale=1.0):
        """Enough for a third of a second or more at the floor's rate."""
        if self.mode in ("echo", "boot"):
            count = 2000
        elif self.backend == "null":
            count = 1_000_000
        elif self.backend == "tap":
            count = 150_000 // self.segments
        elif self.mode == "rx" and self.backend == "stream":
            count = 400_000 if self.size < 512 else 200_000
        else:
            count = 150_000
        return max(200, int(count * scale))


class Peer:
    """build/bench/peer at the far end of the cable; nothing at all for the null backend."""

    machine_options = {}

    def __init__(self, scenario, frames):
        self.directory = tempfile.mkdtemp(prefix="netbsp-bench-")
        self._process = None
        if scenario.backend != "null" and scenario.mode != "boot":
            words = [scenario.backend, self.directory, PEER_MODE[scenario.mode], scenario.size, frames, LIMIT]
            self._process = subprocess.Popen(
                [BUILD / "peer", *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self._process.stdout.readline()  # "# bound"
        self.netdev = {
            "null": "hubport,hubid=0",
            "dgram": f"dgram,local.type=unix,local.path={self.directory}/machine,"
            f"remote.type=unix,remote.path={self.directory}/host",
            "stream": f"stream,server=off,addr.type=unix,addr.path={self.directory}/host",
        }[scenario.backend]
        self.extra = NO_TRAFFIC if scenario.backend == "null" else []

    def go(self):
        if self._process:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()

    def results(self):
        """Once it has done its part, which it does within LIMIT; the connection stays."""
        lines = []
        while self._process and (line := self._process.stdout.readline()):
            if line == "# done\n":
                break
            lines.append(line)
        return values(lines)

    def close(self):
        if self._process:
            self._process.kill()
            self._process.communicate()
        shutil.rmtree(self.directory, ignore_errors=True)


class Kernel:
    """A kernel's network behind a tap device. It cuts what was left to it to cut."""

    extra = []

    def __init__(self):
        self._peer = KernelPeer(mac_address(0))
        self.netdev = self._peer.backend
        self.machine_options = {"shared_memory": True, "pass_fds": [self._peer.tap]}
        self._before = self._peer.received()

    def results(self):
        return {"segments": self._peer.received() - self._before}

    def close(self):
        self._peer.close()


def has_tap():
    """Whether this user may make a tap device in a network namespace of its own."""
    try:
        Kernel().close()
    except OSError:
        return False
    return True


def values(lines):
    """`name value` lines as a dictionary of numbers; other lines are passed over."""
    found = {}
    for line in lines:
        words = line.split()
        if len(words) == 2:
            try:
                found[words[0]] = float(words[1])
            except ValueError:
                pass
    return found


def nics(scenario, peer):
    packed = "on" if scenario.ring_format == "packed" else "off"
    return [Nic(backend=peer.netdev, options=f"packed={packed}")] + [Nic(backend="none")] * (scenario.nics - 1)


class Floor:
    """tests/bench/floor: its results come on the console before it powers off."""

    name = "floor"

    def run(self, scenario, frames, peer):
        echoed = frames + ECHO_WARM_UP if scenario.mode == "echo" else frames
        mode = {"tx": 1, "rx": 2, "boot": 2, "echo": 3}[scenario.mode]
        extra = list(peer.extra)
        for index, word in enumerate((mode, echoed, scenario.size, min(scenario.batch, scenario.ring), scenario.ring)):
            extra += ["-device", f"loader,addr={PARAMETERS + 8 * index:#x},data={word},data-len=8"]
        begin = time.monotonic()
        machine = Machine(nics(scenario, peer), image=BUILD / "floor.elf", boot=False, extra=extra)
        try:
            if scenario.mode != "tx":
                machine.wait_for_text("# ready", 0, LIMIT)
                if scenario.mode == "boot":
                    return {"boot_ms": (time.monotonic() - begin) * 1e3}
                peer.go()
            text = machine.console.wait_until_closed(0, LIMIT).decode("latin-1")
            return values(text.splitlines()) | peer.results()
        finally:
            machine.kill()


class Netbsp:
    """`net bench` of the shell, in the image that has rings of the scenario's size."""

    name = "netbsp"

    def __init__(self, count_instructions=False):
        self._extra = ["-icount", "shift=0"] if count_instructions else []
        if count_instructions:
            self.name = "netbsp-icount"

    def run(self, scenario, frames, peer):
        image = BUILD / f"ring-{scenario.ring}/netbsp.elf" if scenario.differs("ring") else ELF
        begin = time.monotonic()
        machine = Machine(nics(scenario, peer), image=image, extra=[*peer.extra, *self._extra], **peer.machine_options)
        try:
            if scenario.mode == "boot":
                return {"boot_ms": (time.monotonic() - begin) * 1e3}
            if scenario.backend == "tap":
                return self._tx_tcp(machine, scenario, frames, peer)
            return getattr(self, f"_{scenario.mode}")(machine, scenario, frames, peer)
        finally:
            machine.kill()

    @staticmethod
    def _tx(machine, scenario, frames, peer):
        lines = machine.command(f"net bench tx -n {frames} -s {scenario.size} -b {scenario.batch}", timeout=LIMIT)
        return values(without_notes(lines)) | peer.results()

    @staticmethod
    def _tx_tcp(machine, scenario, frames, peer):
        """By the host's clock: `net tx` tells no time."""
        payload = bytes(scenario.size - HEADERS)
        packet = bytes(Ether(src=mac_address(0), dst=KERNEL_MAC) / IP(src=GUEST[0], dst=KERNEL[0]) / TCP(flags="A") / payload)
        machine.write_memory(FREE_MEMORY, packet)
        tso = f"--tso {SEGMENT}" if scenario.segments > 1 else ""
        begin = time.monotonic()
        machine.command(f"net tx -c {frames} {tso} -m {FREE_MEMORY:#x} {scenario.size}", timeout=LIMIT)
        seconds = time.monotonic() - begin
        arrived = peer.results()["segments"]
        return {
            "frames": frames,
            "seconds": seconds,
            "frames_per_second": frames / seconds,
            "lost": max(0, frames * scenario.segments - arrived),
        }

    @staticmethod
    def _rx(machine, scenario, frames, peer):
        machine.start(f"net bench rx -n {frames} -t {LIMIT // 2}")
        ready(machine, peer, "# receiving")
        return values(without_notes(machine.finish(LIMIT))) | peer.results()

    @staticmethod
    def _echo(machine, scenario, frames, peer):
        machine.start("net bench echo")
        ready(machine, peer, "# echoing")
        from_peer = peer.results()
        machine.interrupt()
        return values(without_notes(machine.finish(LIMIT))) | from_peer


def ready(machine, peer, announcement):
    machine.wait_for_text(announcement, timeout=LIMIT)
    time.sleep(0.02)  # it is announced just before
    peer.go()


class Command:
    """A peer of the user's: a command that boots its guest with $BENCH_NETWORK and speaks as the floor does on its stdout.

    docs/performance.md describes this contract. Its process group is ended when the run is over.
    """

    def __init__(self, name, command):
        self.name = name
        self._command = shlex.split(command)

    def run(self, scenario, frames, peer):
        begin = time.monotonic()
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            env=os.environ | self._environment(scenario, frames, peer),
        )
        end = threading.Timer(LIMIT, stop, [process])
        end.start()
        try:
            lines, from_peer = [], {}
            for line in process.stdout:
                if line.startswith("# unsupported"):
                    return None
                if line.startswith("# ready"):
                    if scenario.mode == "boot":
                        return {"boot_ms": (time.monotonic() - begin) * 1e3}
                    peer.go()
                    if scenario.mode == "echo":
                        return values(lines) | peer.results()
                lines.append(line)
            return values(lines) | from_peer | peer.results()
        finally:
            end.cancel()
            stop(process)

    @staticmethod
    def _environment(scenario, frames, peer):
        packed = "on" if scenario.ring_format == "packed" else "off"
        kind, _, rest = peer.netdev.partition(",")
        network = ["-netdev", f"{kind},id=net0,{rest}", *peer.extra]
        network += ["-device", f"virtio-net-device,netdev=net0,mac={mac_address(0)},packed={packed}"]
        return {
            "BENCH_MODE": scenario.mode,
            "BENCH_BACKEND": scenario.backend,
            "BENCH_SIZE": str(scenario.size),
            "BENCH_FRAMES": str(frames),
            "BENCH_BATCH": str(scenario.batch),
            "BENCH_NETWORK": " ".join(network),
        }


def stop(process):
    """Ends what was started in the process' session, politely at first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            pass
    process.wait()


def run(subject, scenario, scale=1.0):
    """One run: a dictionary of what was measured, with "error" if it failed; None if the subject has no such thing."""
    frames = scenario.frames(scale)
    peer = Kernel() if scenario.backend == "tap" else Peer(scenario, frames)
    try:
        found = subject.run(scenario, frames, peer)
    except (MachineError, AssertionError, OSError, subprocess.SubprocessError) as error:
        return {"error": " ".join(str(error).split())[:200] or type(error).__name__}
    finally:
        peer.close()
    if found is not None and not measures(scenario, found):
        found["error"] = f"no result: {sorted(found)}"
    elif found and found.get("lost"):
        found["error"] = f"{found['lost']:.0f} frame(s) lost"
    return found


def measures(scenario, found):
    """The names of the measures that this scenario is judged by, as far as they were found."""
    wanted = {"echo": ("p50_us", "p99_us"), "boot": ("boot_ms",)}.get(scenario.mode, ("frames_per_second",))
    return [name for name in wanted if found.get(name)]


def peers():
    """The commands in PEER_<NAME> of the environment, by name."""
    return [
        Command(name.removeprefix("PEER_").lower(), command)
        for name, command in sorted(os.environ.items())
        if name.startswith("PEER_") and command
    ]
