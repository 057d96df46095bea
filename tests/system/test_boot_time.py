# SPDX-License-Identifier: BSD-2-Clause
"""What the way from the firmware's hand-over to the prompt costs, in instructions: with `-icount shift=0` each of them takes one
nanosecond of the machine's time, whatever else the host does."""

import re

from machine import Nic

# Six parts in a hundred above the 696 of when it was stored.
MOST_MICROSECONDS = 740


def test_few_instructions_lie_between_hand_over_and_prompt(launch):
    machine = launch([Nic("none")], memory="512M", extra=["-icount", "shift=0"])
    boot_us = re.search(r"^boot (\d+)", "\n".join(machine.command("board")), re.MULTILINE)
    assert boot_us, "`board` tells no boot time"
    # A machine that does not count instructions, or a clock that stands still, would pass for a quick one.
    assert 300 <= int(boot_us[1]) <= MOST_MICROSECONDS
