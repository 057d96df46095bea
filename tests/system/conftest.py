# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the system tests."""

import pytest

from machine import Machine, Nic


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: long; run by `make test-soak` only")
    if "s" not in config.option.reportchars:
        config.option.reportchars += "s"  # what was skipped is always told, with its reason


@pytest.fixture
def launch():
    """launch(nics=..., ...) boots a Machine; all of them are ended, and their guest-error logs judged, after the test."""
    machines = []

    def start(*positional, **named):
        machine = Machine(*positional, **named)
        machines.append(machine)
        return machine

    yield start
    complaints = []
    for number, machine in enumerate(machines):
        # Captured by pytest, hence only seen when the test failed.
        text = machine.console.text().decode("latin-1").replace("\r\n", "\n")
        print(f"---- console of machine {number} (the last 6000 characters)\n{text[-6000:]}")
        print(f"---- QEMU said\n{machine.qemu_output()}")
        complaints.append(machine.guest_errors())
        machine.kill()
    assert not any(complaints), f"QEMU logged wrong accesses: {complaints}"


@pytest.fixture
def netbsp(launch):
    """A machine with one modern NIC on a wire that also goes to a capture file."""
    return launch([Nic(capture=True)])


@pytest.fixture(params=["modern", "legacy"])
def either(request, launch):
    """The same, once with each MMIO version."""
    return launch([Nic(capture=True)], legacy=request.param == "legacy")


@pytest.fixture(params=["modern", "packed", "legacy"])
def any_ring(request, launch):
    """The same, over each ring format and MMIO version."""
    options = "packed=on" if request.param == "packed" else ""
    return launch([Nic(capture=True, options=options)], legacy=request.param == "legacy")
