# SPDX-License-Identifier: BSD-2-Clause
"""Wrong addresses and our own bugs: the first return to the prompt, the others end QEMU with a failing status."""

import os
import pathlib
import re

import pytest
from machine import ROOT, Nic, mac_address

TEST_ELF = pathlib.Path(os.environ.get("NETBSP_TEST_ELF", ROOT / "build/qemu-virt-test/netbsp.elf"))


@pytest.mark.parametrize("line", ["md 0x0", "md 0xdeadbeef0000", "mw 0x0 1", "md 0xffffffffffffffff"])
def test_a_wrong_address_is_reported_and_the_prompt_comes_back(launch, line):
    machine = launch([Nic()])
    assert "fault" in machine.refuse(line)
    assert machine.command("net mac") == [mac_address(0)]


def test_md_shows_memory(launch):
    machine = launch([Nic()])
    lines = machine.command("md 0x80200038 1")
    # the magic number of the RISC-V boot image header
    assert "05435352" in "".join(lines).lower().replace(" ", "")


@pytest.mark.parametrize("what,cause", [("null", "instruction"), ("recurse", "stack")])
def test_our_own_bug_panics_with_a_report_and_a_failing_status(launch, what, cause):
    machine = launch([Nic()], image=TEST_ELF)
    start = machine.console.position()
    machine.type(f"crash {what}\r")
    assert machine.wait_for_exit() not in (0, None)
    report = machine.console.text(start).decode("latin-1")
    assert re.search("panic", report, re.IGNORECASE), report
    assert cause in report.lower(), report
    assert "sepc" in report.lower() or "pc" in report.lower(), report


def test_the_crash_command_is_not_part_of_a_normal_image(launch):
    machine = launch([Nic()])
    machine.refuse("crash null")
