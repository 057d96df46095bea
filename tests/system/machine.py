# SPDX-License-Identifier: BSD-2-Clause
"""A QEMU machine under test: its process, its serial console, its monitor (QMP) and its NICs.

What every run checks by itself: QEMU logs no guest error and no unimplemented access, the shell never panics, and every wait has
an end. Nothing outlives the object: the process is ended by its own pid and the sockets live in a temporary directory.
"""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from wire import Wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
QEMU = os.environ.get("QEMU", "qemu-system-riscv64")
ELF = pathlib.Path(os.environ.get("NETBSP_ELF", ROOT / "build/qemu-virt/netbsp.elf"))
# The other images lie beside it as `make images` leaves them: qemu-virt-test/ and sifive-u/.
BUILD = ELF.parent.parent
PROMPT = b"netbsp> "
RAM_BASE = 0x80000000
PANIC = re.compile(rb"(?:\A|[\r\n])(?:# )?[^\r\n]{0,20}panic[^\r\n]*", re.IGNORECASE)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class MachineError(AssertionError):
    """The machine did what no test expects: it fell silent, panicked or ended."""


@dataclasses.dataclass
class Nic:
    """One virtio-net device. `backend` is "wire" (frames are exchanged with machine.wires[i]), "none", or a -netdev value
    without its id. `slot` is the virtio-mmio bus; None lets QEMU choose. `options` goes to the device: "host_mtu=1400"."""

    backend: str = "wire"
    mac: str = ""
    slot: int = None
    options: str = ""
    capture: bool = False


class Console:
    """The serial line: QEMU's stdin and stdout, which are pipes. (On a unix socket a few hundred single bytes fill the buffer,
    and QEMU's SiFive UART drops what its backend does not take at once.) A thread takes in everything, so the machine never
    waits for the test."""

    def __init__(self, process):
        self._to, self._from = process.stdin.fileno(), process.stdout.fileno()
        self._came = threading.Condition()
        self._text = bytearray()
        self.ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            data = os.read(self._from, 65536)
            with self._came:
                self._text += data
                self.ended = not data
                self._came.notify_all()
            if not data:
                return

    def write(self, data):
        while data:
            data = data[os.write(self._to, data) :]

    def position(self):
        with self._came:
            return len(self._text)

    def text(self, start=0, end=None):
        with self._came:
            return bytes(self._text[start:end])

    def wait_until_closed(self, start, timeout=5.0):
        """The text behind `start`, once the machine has ended."""
        with self._came:
            assert self._came.wait_for(lambda: self.ended, timeout), "the console is still open"
            return bytes(self._text[start:])

    def wait_for(self, pattern, start, timeout):
        """(begin, end) of the first match of the compiled bytes `pattern` (at most 8 KiB + 256 long) behind `start`."""
        deadline = time.monotonic() + timeout
        seen = start
        with self._came:
            while True:
                match = pattern.search(self._text, seen)
                if match:
                    return match.span()
                panic = PANIC.search(self._text, max(start, seen - 64))
                if panic:
                    self._came.wait(0.5)
                    raise MachineError(f"the machine panicked:\n{self._tail(panic.start())}")
                if self.ended:
                    raise MachineError(f"the console closed while waiting for {pattern.pattern!r}:\n{self._tail(start)}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise MachineError(f"no {pattern.pattern[:80]!r} within {timeout} s; seen:\n{self._tail(start)}")
                seen = max(start, len(self._text) - 8448)
                self._came.wait(left)

    def _tail(self, start):
        return bytes(self._text[max(start, len(self._text) - 3000) :]).decode("latin-1").replace("\r", "")

    def close(self):
        """To be called when the process has ended, which ends the reader."""
        self._thread.join(2.0)


class Monitor:
    """QMP, as far as the tests need it."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10.0)
        self._socket.connect(path)
        self._stream = self._socket.makefile("rw")
        self._stream.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        json.dump({"execute": command, "arguments": arguments}, self._stream)
        self._stream.write("\n")
        self._stream.flush()
        while True:
            answer = json.loads(self._stream.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise MachineError(f"QMP {command}: {answer['error']['desc']}")

    def close(self):
        self._stream.close()
        self._socket.close()


class Machine:
    def __init__(
        self,
        nics=(),
        machine="virt",
        legacy=False,
        smp=1,
        memory="128M",
        image=ELF,
        prompt=PROMPT,
        extra=(),
        pass_fds=(),
        boot=True,
        shared_memory=False,
    ):
        if not pathlib.Path(image).is_file():
            raise MachineError(f"no image {image}: run make first")
        self._directory = tempfile.mkdtemp(prefix="netbsp-")
        self._prompt = prompt
        self.legacy = legacy
        self.wires = []
        self.process = self.console = self.monitor = None
        self._kept = None
        self._forgiven = 0
        self._output = open(self._path("qemu.out"), "wb")
        if shared_memory:
            machine += ",memory-backend=ram"
            extra = [*extra, "-object", f"memory-backend-file,id=ram,size={memory},share=on,mem-path={self._path('ram')}"]
        arguments = [QEMU, "-M", machine, "-m", memory, "-smp", str(smp), "-display", "none", "-bios", "default"]
        arguments += ["-kernel", str(image), "-d", "guest_errors,unimp", "-D", self._path("qemu.log"), "-parallel", "none"]
        if machine.startswith("virt"):
            arguments += ["-global", f"virtio-mmio.force-legacy={'true' if legacy else 'false'}"]
        arguments += ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
        arguments += ["-chardev", f"socket,id=qmp,path={self._path('qmp')},server=on,wait=off"]
        arguments += ["-mon", "chardev=qmp,mode=control"]
        for index, nic in enumerate(nics):
            arguments += self._nic_arguments(index, nic)
        if not any(nic.backend != "none" for nic in nics):
            arguments += ["-nic", "none"]
        arguments += [str(word) for word in extra]
        try:
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                bufsize=0,
                pass_fds=pass_fds,
            )
            self.console = Console(self.process)
            self.monitor = self._connect(Monitor, "qmp")
            self._line_start = 0
            if boot:
                self.wait_for_prompt(0, timeout=30.0)
        except BaseException:
            self.kill()
            raise

    # ---- parts ----------------------------------------------------------------------------------------------------------

    def _path(self, name):
        return os.path.join(self._directory, name)

    def _nic_arguments(self, index, nic):
        device = f"virtio-net-device,id=nic{index},mac={nic.mac or mac_address(index)}"
        if nic.slot is not None:
            device += f",bus=virtio-mmio-bus.{nic.slot}"
        if nic.options:
            device += f",{nic.options}"
        wire = Wire(self._directory, f"w{index}") if nic.backend == "wire" else None
        self.wires.append(wire)
        if nic.backend == "none":
            return ["-device", device]
        backend, _, rest = (wire.netdev if wire else nic.backend).partition(",")
        arguments = ["-netdev", f"{backend},id=net{index}" + (f",{rest}" if rest else "")]
        arguments += ["-device", f"{device},netdev=net{index}"]
        if nic.capture:
            arguments += ["-object", f"filter-dump,id=dump{index},netdev=net{index},file={self.capture_path(index)}"]
        return arguments

    def _connect(self, kind, name):
        deadline = time.monotonic() + 10.0
        while True:
            try:
                return kind(self._path(name))
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None:
                    raise MachineError(f"QEMU did not start:\n{self.qemu_output()}") from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    def qemu_output(self):
        """What QEMU itself printed; also after kill()."""
        return self._kept[0] if self._kept else self._read("qemu.out")

    def guest_errors(self):
        """What QEMU logged about wrong accesses; also after kill()."""
        return self._kept[1] if self._kept else self._read("qemu.log", self._forgiven)

    def forgive_guest_errors(self):
        """What was logged so far is another program's fault, a boot loader's say."""
        self._forgiven = os.path.getsize(self._path("qemu.log"))

    def _read(self, name, start=0):
        if not os.path.exists(self._path(name)):
            return ""
        with open(self._path(name), "rb") as file:
            file.seek(start)
            return file.read(4000).decode(errors="replace")  # a wild machine logs without end

    def capture_path(self, index=0):
        return self._path(f"capture{index}.pcap")

    @property
    def wire(self):
        return self.wires[0]

    # ---- the console ----------------------------------------------------------------------------------------------------

    def set_prompt(self, prompt):
        self._prompt = prompt

    def wait_for_prompt(self, start, timeout=10.0):
        """Returns the position of the prompt at the start of a line, behind `start`."""
        pattern = re.compile(rb"[\r\n](?:\x1b\[[0-9;?]*[A-Za-z])*" + re.escape(self._prompt))
        return self.console.wait_for(pattern, start, timeout)[1] - len(self._prompt)

    def wait_for_text(self, pattern, start=None, timeout=10.0):
        """(begin, end) of the first match behind `start`, the default being where the last command line began."""
        if isinstance(pattern, str):
            pattern = pattern.encode()
        return self.console.wait_for(re.compile(pattern), self._line_start if start is None else start, timeout)

    def type(self, text):
        """Types characters, without Enter."""
        self.console.write(text.encode("latin-1"))

    def start(self, line, timeout=10.0):
        """Types a line and Enter, and waits until the shell has taken it."""
        self._line_start = self.console.position()
        self.type(line + "\r")
        _, end = self.console.wait_for(re.compile(re.escape(line.encode("latin-1")) + rb"\r\n"), self._line_start, timeout)
        self._line_start = end - 1

    def finish_raw(self, timeout=10.0):
        """All that a started line printed, as it came over the line, up to the next prompt."""
        end = self.wait_for_prompt(self._line_start, timeout)
        return self.console.text(self._line_start + 1, end)

    def lines_so_far(self):
        """The whole lines that a started line has printed up to now."""
        text = self.console.text(self._line_start + 1)
        return clean_lines(text[: text.rfind(b"\r\n") + 2])

    def finish(self, timeout=10.0, error=False):
        """The lines that a started line printed. `error=True` expects exactly one `error:` line, otherwise one fails the test."""
        lines = clean_lines(self.finish_raw(timeout))
        errors = [line for line in lines if line.startswith("error:")]
        if error and (len(errors) != 1 or len(without_notes(lines)) != 1):
            raise MachineError(f"expected just one error line, got {lines}")
        if errors and not error:
            raise MachineError(f"{errors[0]!r} among {lines}")
        return lines

    def command(self, line, timeout=10.0, error=False):
        """Types a line and returns the lines it prints, `# ` lines included."""
        self.start(line, timeout)
        return self.finish(timeout, error)

    def refuse(self, line, timeout=10.0):
        """Types a line that must be refused; returns the one error line."""
        return without_notes(self.command(line, timeout, error=True))[0]

    def interrupt(self):
        self.console.write(b"\x03")

    def stats(self, options=""):
        """`net stats` as a dictionary."""
        return {name: int(value) for name, value in (line.split() for line in without_notes(self.command(f"net stats{options}")))}

    # ---- the machine ----------------------------------------------------------------------------------------------------

    def set_link(self, up, index=0):
        self.monitor.execute("set_link", name=f"nic{index}", up=up)

    def write_memory(self, address, data):
        """Writes the RAM of a machine with `shared_memory`, while it runs."""
        with open(self._path("ram"), "r+b") as file:
            file.seek(address - RAM_BASE)
            file.write(data)

    def wait_for_exit(self, timeout=10.0):
        """QEMU's exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise MachineError(f"QEMU still runs after {timeout} s") from None

    def kill(self):
        """Ends the process and takes all traces away. May be called again."""
        if self._kept:
            return
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
        self._kept = (self._read("qemu.out"), self._read("qemu.log", self._forgiven))
        for part in [self.monitor, self.console, *self.wires]:
            if part is not None:
                part.close()
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
        self._output.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def mac_address(index):
    return f"52:54:00:12:34:{0x56 + index:02x}"


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def clean_lines(raw):
    """Console bytes as lines: redrawn lines as they look at the end, without escape sequences."""
    lines = raw.decode("latin-1").split("\r\n")
    lines = [ESCAPES.sub("", line).split("\r")[-1] for line in lines]
    return lines[:-1] if lines and not lines[-1] else lines


def without_notes(lines):
    return [line for line in lines if not line.startswith("# ")]
