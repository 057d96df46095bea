# SPDX-License-Identifier: BSD-2-Clause
"""A machine with nothing to do does nothing: the main loop turns only for events, and the hart sleeps in between."""

import os
import time

import pytest


def cpu_seconds(pid, thread):
    """Of one thread, user and system."""
    with open(f"/proc/{pid}/task/{thread}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("seconds", [3, pytest.param(10, marks=pytest.mark.soak)])
def test_an_idle_machine_sleeps(netbsp, seconds):
    [cpu] = netbsp.monitor.execute("query-cpus-fast")
    thread = cpu["thread-id"]
    netbsp.command("net tx -p ffffffffffff52540012345688b5")  # so that interrupts have shown that they come
    time.sleep(1.5)  # what the watchdog had to see to is over
    first = netbsp.stats()["polls"]
    typing = netbsp.stats()["polls"] - first  # what the question itself costs
    assert typing > 0
    time.sleep(0.2)
    before = cpu_seconds(netbsp.process.pid, thread)
    time.sleep(seconds)
    used = cpu_seconds(netbsp.process.pid, thread) - before
    assert netbsp.stats()["polls"] - first - typing <= typing + 2
    assert used <= 0.02  # the clock's two smallest steps
