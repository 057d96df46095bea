# SPDX-License-Identifier: BSD-2-Clause
"""Started by U-Boot instead of OpenSBI: by `booti`, and by `go` with the network device still live."""

import pathlib
import shutil
import struct

import pytest
from judge import shown
from machine import ELF, PROMPT, Nic, mac_address
from scapy.layers.l2 import ARP, Ether

UBOOT = pathlib.Path("/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin")
ENTRY = 0x80200000


def uboot(launch, directory, legacy):
    shutil.copy(ELF.with_suffix(".bin"), directory / "netbsp.bin")
    machine = launch([Nic(f"user,tftp={directory}")], image=UBOOT, prompt=b"=> ", boot=False, legacy=legacy, memory="256M")
    machine.wait_for_text("Hit any key", 0)
    start = machine.console.position()
    machine.type("\r")
    machine.wait_for_prompt(start)
    for line in ("setenv ipaddr 10.0.2.15", "setenv serverip 10.0.2.2", "setenv netmask 255.255.255.0", "setenv autoload no"):
        machine.command(line)
    return machine


def load(machine, address, name):
    lines = machine.command(f"tftpboot {address:#x} {name}", timeout=20.0)
    assert any("Bytes transferred" in line for line in lines), lines


def start_netbsp(machine, line):
    # U-Boot writes a feature word that a legacy device lacks.
    machine.forgive_guest_errors()
    start = machine.console.position()
    machine.set_prompt(PROMPT)
    machine.type(line + "\r")
    machine.wait_for_prompt(start, timeout=20.0)
    assert machine.command("net mac") == [mac_address(0)]
    request = Ether(dst="ff:ff:ff:ff:ff:ff", src=mac_address(0)) / ARP(hwsrc=mac_address(0), psrc="10.0.2.15", pdst="10.0.2.2")
    lines = machine.command(f"net tx -p -w 500 {bytes(request).hex()}")
    frames = [Ether(data) for _, _, data in shown([text for text in lines if not text.startswith("sent ")])]
    assert [frame[ARP].op for frame in frames if ARP in frame] == [2]


@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_starts_by_booti(launch, tmp_path, legacy):
    machine = uboot(launch, tmp_path, legacy)
    load(machine, 0x84000000, "netbsp.bin")
    start_netbsp(machine, "booti 0x84000000 - ${fdtcontroladdr}")


# proves: GEN-07
@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_starts_by_go_with_the_nic_left_live(launch, tmp_path, legacy):
    machine = uboot(launch, tmp_path, legacy)
    tree = int(machine.command("printenv fdtcontroladdr")[0].split("=")[1], 16)
    # auipc t0, 0; ld a0, 24(t0); ld a1, 32(t0); ld t1, 40(t0); fence.i; jr t1; then hart, tree and entry
    stub = struct.pack("<6I3Q", 0x00000297, 0x0182B503, 0x0202B583, 0x0282B303, 0x0000100F, 0x00030067, 0, tree, ENTRY)
    (tmp_path / "stub.bin").write_bytes(stub)
    load(machine, ENTRY, "netbsp.bin")
    load(machine, 0x83000000, "stub.bin")
    start_netbsp(machine, "go 0x83000000")
