# SPDX-License-Identifier: BSD-2-Clause
"""The console as an interface that others script against."""

import re

import pytest
from machine import clean_lines, mac_address


def test_the_prompt_stands_at_the_start_of_its_line_and_lines_end_in_cr_lf(netbsp):
    netbsp.start("net mac")
    assert netbsp.finish_raw() == f"{mac_address(0)}\r\n".encode()
    assert netbsp.console.text().endswith(b"\r\nnetbsp> ")
    text = netbsp.console.text()
    booted = text[text.rindex(b"OpenSBI") :]
    assert not re.search(rb"[^\r]\n", booted[booted.index(b"\r\nnetbsp> ") :])


def test_typing_at_the_end_of_the_line_echoes_just_the_character(netbsp):
    start = netbsp.console.position()
    for length, character in enumerate("net list", 1):
        netbsp.type(character)
        netbsp.wait_for_text(re.escape("net list"[:length]) + "$", start)
    assert netbsp.console.text(start) == b"net list"
    netbsp.type("\x03")
    netbsp.wait_for_prompt(start)


def test_a_pasted_line_of_8192_characters_arrives_whole(netbsp):
    # spaces are allowed between digits, so a frame of 1,514 bytes can be spelt in 8,192 characters
    digits = (bytes.fromhex("ffffffffffff52540012345688b5") + bytes(index & 0xFF for index in range(1500))).hex()
    line = "net tx " + " ".join(re.findall("..", digits))
    line = line.replace("net tx ", "net tx " + " " * (8192 - len(line)))
    assert len(line) == 8192
    assert netbsp.command(line, timeout=20.0) == ["sent 1 frame(s), 1514 bytes"]
    assert netbsp.wire.wait_for(1) == [bytes.fromhex(digits)]


def test_a_longer_line_is_consumed_whole_and_answered_by_an_error(netbsp):
    for length in (8193, 20000):
        netbsp.console.write(b"x" * length + b"\r")
        start = netbsp.console.position()
        begin, _ = netbsp.wait_for_text(r"\nerror: [^\r\n]*", 0 if length == 8193 else start - 1, timeout=20.0)
        netbsp.wait_for_prompt(begin, timeout=20.0)
    assert netbsp.command("net mac") == [mac_address(0)]


def test_pasted_commands_run_one_after_the_other(netbsp):
    start = netbsp.console.position()
    netbsp.type("net mac\rnet mtu\rnet mac\r")
    at = start
    for expected in (mac_address(0), "1500", mac_address(0)):
        _, at = netbsp.wait_for_text(rf"\n{expected}\r\n", at - 1)
    netbsp.wait_for_prompt(at - 1)


def test_help_names_every_command_and_each_has_a_page(netbsp):
    lines = netbsp.command("help")
    names = [re.fullmatch(r"([a-z]+) +- \S.*", line)[1] for line in lines if not line.startswith("# ")]
    assert {"help", "version", "board", "net", "virtio", "fdt", "irq", "md", "mw", "uptime", "log", "history"} <= set(names)
    assert {"reboot", "poweroff"} <= set(names)
    for name in names:
        assert netbsp.command(f"help {name}")
    assert any("-w" in line for line in netbsp.command("help net tx"))


@pytest.mark.parametrize("line", ["nett", "net foo", "help nonsense", "net use net9", "net mac extra words", "net dump -c x", "md"])
def test_what_is_wrong_is_named_in_one_line(netbsp, line):
    error = netbsp.refuse(line)
    assert re.match(r"error: [^:]+: \S", error)


def test_an_empty_line_only_prompts_again(netbsp):
    assert netbsp.command("") == []
    assert netbsp.command("   ") == []


# proves: MMIO-07, MMIO-08, MMIO-09, LEG-28
def test_every_inspection_command_works_and_touches_nothing_wrong(either):
    """What is read here goes through the registers; QEMU's log of guest errors is judged after every test."""
    for line in ("net info", "net regs", "net queue", "net queue 0", "virtio list", "irq", "fdt ls", "fdt print /chosen"):
        assert either.command(line), line
    for line in ("version", "board", "uptime", "history", "net list", "net link", "net stats"):
        assert either.command(line), line
    either.command("log")
    info = "\n".join(either.command("net info"))
    assert "MAC" in info and "STATUS" in info
    assert either.command("net tx -s 60") == ["sent 1 frame(s), 60 bytes"]


def test_log_lines_of_the_boot_never_look_like_a_prompt(netbsp):
    before = netbsp.console.text()
    assert before.count(b"netbsp> ") == 1
    assert clean_lines(before)
