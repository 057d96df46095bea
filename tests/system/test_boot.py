# SPDX-License-Identifier: BSD-2-Clause
"""The same image boots on every machine that QEMU's `virt` can be, and on sifive_u."""

import itertools
import os
import re
import subprocess

import pytest
from machine import BUILD, QEMU, ROOT, Nic, mac_address, without_notes

SIFIVE_ELF = BUILD / "sifive-u/netbsp.elf"


def machine_slots(directory):
    """The addresses of the virtio-mmio slots, in the order of the tree that QEMU gives to the firmware."""
    blob = directory / "virt.dtb"
    subprocess.run([QEMU, "-M", f"virt,dumpdtb={blob}", "-display", "none"], check=True, capture_output=True)
    source = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", blob], check=True, capture_output=True, text=True).stdout
    return [int(address, 16) for address in re.findall(r"virtio_mmio@([0-9a-f]+) \{", source)]


def slot_of(address):
    return (address - 0x10001000) // 0x1000


def listed(machine):
    """[(in use, name, mac, link, transport)] of `net list`."""
    rows = []
    for line in without_notes(machine.command("net list")):
        match = re.fullmatch(r"([* ]) (net\d+) ([0-9a-f:]{17}) (up|down) (virtio-mmio@[0-9a-f]+ v[12]) irq \d+", line)
        assert match, line
        rows.append((match[1] == "*", *match.groups()[1:]))
    return rows


def check_traffic(machine, index=0):
    """A frame each way."""
    frame = bytes.fromhex("ffffffffffff525400123456 88b5") + bytes(range(46))
    before = machine.wires[index].count
    assert machine.command(f"net tx -i net{index} {frame.hex()}") == ["sent 1 frame(s), 60 bytes"]
    assert machine.wires[index].wait_for(before + 1)[-1] == frame
    machine.start(f"net dump -i net{index} -c 1")
    machine.wait_for_text(rf"# listening on net{index}\r\n")
    machine.wires[index].send(frame)
    text = "".join(re.findall(r": ((?:[0-9a-f]{2} )+)", "\n".join(machine.finish())))
    assert bytes.fromhex(text) == frame


# A selection in which every pair of values occurs.
PAIRS = [
    ("modern", 1, "64M", 1),
    ("legacy", 4, "64M", 2),
    ("legacy", 1, "6G", 1),
    ("modern", 4, "6G", 8),
    ("legacy", 1, "128M", 8),
    ("modern", 4, "128M", 2),
]
FULL = [
    row
    for row in itertools.product(["modern", "legacy"], [1, 2, 4, 8], ["64M", "128M", "2G", "6G"], [1, 2, 8])
    if row not in PAIRS
]


# proves: LEG-27
@pytest.mark.parametrize("version,smp,memory,nics", PAIRS + [pytest.param(*row, marks=pytest.mark.soak) for row in FULL])
def test_boots_and_carries_frames(launch, version, smp, memory, nics):
    machine = launch([Nic() for _ in range(nics)], legacy=version == "legacy", smp=smp, memory=memory)
    rows = listed(machine)
    assert [row[1] for row in rows] == [f"net{index}" for index in range(nics)]
    assert {row[4][-2:] for row in rows} == {"v1" if version == "legacy" else "v2"}
    assert [row[0] for row in rows] == [True] + [False] * (nics - 1)
    check_traffic(machine)
    if nics > 1:
        check_traffic(machine, nics - 1)


@pytest.mark.parametrize("legacy", [False, True])
def test_boots_without_a_nic(launch, legacy):
    machine = launch([], legacy=legacy)
    assert without_notes(machine.command("net list")) == ["no network device"]
    for line in ("net mac", "net link", "net stats", "net tx ffffffffffff52540012345688b5", "net dump -t 1", "net reset"):
        assert machine.refuse(line) == "error: net: no network device"


# proves: MMIO-33
@pytest.mark.parametrize("slots", [(0, 7), (7, 0), (3, 5, 1), (0, 1, 2, 3, 4, 5, 6, 7), (6, 2, 7, 0, 4, 1, 5, 3)])
def test_numbers_interfaces_in_tree_order_whatever_the_slots(launch, tmp_path, slots):
    machine = launch([Nic(slot=slot, mac=mac_address(slot)) for slot in slots])
    order = [slot_of(address) for address in machine_slots(tmp_path) if slot_of(address) in slots]
    assert [row[2] for row in listed(machine)] == [mac_address(slot) for slot in order]
    # wires stand in the order of the command line
    assert machine.command(f"net tx -i net{len(slots) - 1} -s 60")
    assert len(machine.wires[slots.index(order[-1])].wait_for(1)) == 1


# proves: MMIO-05
def test_lists_other_virtio_devices_and_leaves_them_alone(launch, tmp_path):
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    extra = ["-drive", f"if=none,id=disk,format=raw,file={disk}", "-device", "virtio-blk-device,drive=disk"]
    machine = launch([Nic()], extra=extra + ["-device", "virtio-rng-device"])
    assert len(listed(machine)) == 1
    lines = without_notes(machine.command("virtio list"))
    slots = machine_slots(tmp_path)
    assert len(lines) >= len(slots)
    for address in slots:
        assert any(f"{address:x}" in line for line in lines), f"slot {address:x} is missing in {lines}"
    assert sum("net0" in line for line in lines) == 1
    assert not [line for line in machine.command("log") if "error" in line.lower()]
    check_traffic(machine)


@pytest.mark.parametrize("boots", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_boots_on_whichever_hart_the_firmware_chose(launch, boots):
    for _ in range(boots):
        machine = launch([Nic()], smp=4)
        check_traffic(machine)
        machine.kill()


def test_poweroff_ends_qemu_with_status_0(launch):
    machine = launch([Nic()])
    machine.type("poweroff\r")
    assert machine.wait_for_exit() == 0


@pytest.mark.parametrize("command", ["reboot", "system_reset"])
def test_comes_back_after(launch, command):
    machine = launch([Nic()], smp=2)
    check_traffic(machine)
    start = machine.console.position()
    if command == "reboot":
        machine.type("reboot\r")
    else:
        machine.monitor.execute("system_reset")
    machine.wait_for_text("OpenSBI", start)
    machine.wait_for_prompt(start)
    assert machine.command("net mac") == [mac_address(0)]
    check_traffic(machine)


def test_survives_a_reset_under_traffic(launch):
    machine = launch([Nic(capture=True)])
    start = machine.console.position()
    machine.type("net tx -c 1000000 -s 1514\r")
    machine.wire.wait_for(1000)
    machine.monitor.execute("system_reset")
    machine.wait_for_text("OpenSBI", start)
    machine.wait_for_prompt(machine.console.position() - 200)
    machine.wire.clear()
    check_traffic(machine)


@pytest.mark.parametrize("boots", [2, pytest.param(10, marks=pytest.mark.soak)])
def test_sifive_u_boots_to_the_same_shell(launch, boots):
    for _ in range(boots):
        machine = launch(machine="sifive_u", smp=2, image=SIFIVE_ELF)
        assert without_notes(machine.command("net list")) == ["no network device"]
        error = machine.refuse("poweroff")
        assert error == "error: poweroff: not supported by firmware"
        assert machine.command("version")
        machine.kill()


def test_sifive_u_comes_back_after_reboot(launch):
    machine = launch(machine="sifive_u", smp=2, image=SIFIVE_ELF)
    start = machine.console.position()
    machine.type("reboot\r")
    machine.wait_for_text("OpenSBI", start)
    machine.wait_for_prompt(start)
    assert machine.command("version")


# Compiles the whole image once more, so .ci/run runs it apart from the quick tests.
@pytest.mark.soak
def test_a_board_outside_the_tree_is_small_and_boots(launch, tmp_path):
    board = tmp_path / "myboard"
    board.mkdir()
    lines = 0
    for file in (ROOT / "boards/qemu-virt").iterdir():
        if file.suffix in (".mk", ".hpp"):
            (board / file.name).write_text(file.read_text())
            lines += len(file.read_text().splitlines())
    assert lines <= 25
    out = tmp_path / "out"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    build = subprocess.run(
        ["make", "-j2", f"BOARD_DIR={board}", f"OUT={out}", f"{out}/netbsp.elf"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stdout[-2000:] + build.stderr[-2000:]
    machine = launch([Nic()], image=out / "netbsp.elf")
    assert any("myboard" in line for line in machine.command("version") + machine.command("board"))
    check_traffic(machine)
