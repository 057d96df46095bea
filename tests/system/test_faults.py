# SPDX-License-Identifier: BSD-2-Clause
"""Wrong addresses and our own bugs: the first return to the prompt, the others end QEMU with a failing status."""

import re
import subprocess

import pytest
from machine import BUILD, Nic, mac_address

TEST_ELF = BUILD / "qemu-virt-test/netbsp.elf"


@pytest.mark.parametrize("line", ["md 0x0", "md 0xdeadbeef0000", "mw 0x0 1", "md 0xfffffffffffffff0 4"])
def test_a_wrong_address_is_reported_and_the_prompt_comes_back(launch, line):
    machine = launch([Nic()])
    assert "fault" in machine.refuse(line)
    assert machine.command("net mac") == [mac_address(0)]


def test_md_shows_memory(launch):
    machine = launch([Nic()])
    lines = machine.command("md 0x80200038 1")
    # the magic number of the RISC-V boot image header
    assert "05435352" in "".join(lines).lower().replace(" ", "")


DEATHS = {
    "null": "jump to null",
    "stack": "stack overflow",
    "store-text": "store to text",
    "load-null": "null pointer",
    "panic": "crash test at bsp/crash_test.cpp",
    "nested": "panic: ",
    "report": "again, while reporting a panic",
}


def functions(addresses):
    """Names without their parameters, for addresses behind calls."""
    places = [hex(int(address, 16) - 1) for address in addresses if int(address, 16)]
    tool = ["riscv64-linux-gnu-addr2line", "-fCe", str(TEST_ELF), *places]
    lines = subprocess.run(tool, check=True, capture_output=True, text=True).stdout.splitlines()
    return [name.split("(")[0] for name in lines[::2]]


@pytest.mark.parametrize("how", DEATHS)
def test_our_own_bug_panics_with_a_report_and_a_failing_status(launch, how):
    machine = launch([Nic()], image=TEST_ELF)
    start = machine.console.position()
    machine.type(f"crash {how}\r")
    assert machine.wait_for_exit() != 0
    report = machine.console.wait_until_closed(start).decode("latin-1")
    assert re.search(r"\r\npanic: ", report), report
    assert DEATHS[how] in report
    if how != "report":
        callers = functions(re.findall(r"^  #\d+ 0x([0-9a-f]+)", report, re.MULTILINE))
        outwards = [name for name in callers if name in ("bsp::crash::now", "shell::Shell::run", "netbsp_main")]
        assert outwards == ["bsp::crash::now", "shell::Shell::run", "netbsp_main"], report
        assert ("(interrupted)" in report) == (how == "nested"), report


def test_the_crash_command_is_not_part_of_a_normal_image(launch):
    machine = launch([Nic()])
    machine.refuse("crash null")
