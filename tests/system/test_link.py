# SPDX-License-Identifier: BSD-2-Clause
"""Addresses, link state and MTU: what the device says and how its changes reach the user."""

import re
import time

import pytest
from machine import Nic, mac_address


# proves: NET-CFG-16
def test_net_mac_prints_the_addresses_given_to_qemu(launch):
    machine = launch([Nic(mac="52:54:00:aa:bb:cc"), Nic(mac="02:00:5e:10:20:30")])
    assert machine.command("net mac") == ["52:54:00:aa:bb:cc"]
    assert machine.command("net mac -i net1") == ["02:00:5e:10:20:30"]
    assert machine.command("net use net1") == []
    assert machine.command("net mac") == ["02:00:5e:10:20:30"]
    assert machine.command("net mac -i net0") == ["52:54:00:aa:bb:cc"]


def wait_for_note(machine, start, what):
    """A line that came by itself; the position behind it."""
    return machine.console.wait_for(re.compile(rb"[\r\n](?:\x1b\[[0-9;?]*[A-Za-z])*# [^\r\n]*" + what + rb"[^\r\n]*\r\n"), start, 10.0)[1]


# proves: NET-CFG-19, GEN-23
def test_net_link_follows_the_cable(either):
    seconds = []
    for up in (False, True, False, True):
        start, begun = either.console.position(), time.monotonic()
        either.set_link(up)
        wait_for_note(either, start - 1, b"net0[^\r\n]*" + (b"up" if up else b"down"))
        seconds.append(time.monotonic() - begun)
        first = either.command("net link")[0]
        assert first == ("up" if up else "down")
    # Half of them at least: a busy host may stop the machine for a while.
    assert sorted(seconds)[1] < 1.0


def test_half_typed_input_survives_a_link_change(netbsp):
    netbsp.type("net ma")
    netbsp.wait_for_text(r"net ma$", 0)
    start = netbsp.console.position()
    netbsp.set_link(False)
    end = wait_for_note(netbsp, start - 1, b"down")
    netbsp.wait_for_text(r"netbsp> net ma", end - 1)
    netbsp.type("c\r")
    begin, _ = netbsp.wait_for_text(mac_address(0) + r"\r\n", end)
    netbsp.wait_for_prompt(begin)
    assert netbsp.command("net mac") == [mac_address(0)]


def test_the_link_of_one_interface_is_its_own(launch):
    machine = launch([Nic(), Nic()])
    start = machine.console.position()
    machine.set_link(False, index=1)
    wait_for_note(machine, start - 1, b"down")
    links = [re.search(r"(net\d) \S+ (up|down)", line).groups() for line in machine.command("net list")]
    assert len(links) == 2 and sorted(link for _, link in links) == ["down", "up"]
    # the device called nic1 is the one that lost its link
    down = next(name for name, link in links if link == "down")
    assert machine.command(f"net mac -i {down}") == [mac_address(1)]


# proves: NET-CFG-18
def test_a_device_without_status_is_assumed_up(launch):
    machine = launch([Nic(options="status=off")])
    assert machine.command("net link")[0] == "up (assumed: device has no STATUS)"


# proves: NET-CFG-24, NET-CFG-30
@pytest.mark.parametrize(
    "options,expected",
    [
        ("speed=1000,duplex=full", "speed 1000 duplex full mtu 1500"),
        ("speed=10,duplex=half", "speed 10 duplex half mtu 1500"),
        ("", "speed unknown duplex unknown mtu 1500"),
    ],
)
def test_net_link_names_speed_and_duplex(launch, options, expected):
    machine = launch([Nic(options=options)])
    assert machine.command("net link")[1] == expected


# proves: NET-CFG-20, NET-CFG-22
def test_an_offered_mtu_bounds_what_is_sent(launch):
    machine = launch([Nic(options="host_mtu=1400")])
    assert machine.command("net mtu") == ["1400"]
    assert machine.command("net link")[1].endswith("mtu 1400")
    assert machine.command("net tx -s 1414") == ["sent 1 frame(s), 1414 bytes"]
    assert len(machine.wire.wait_for(1)[0]) == 1414
    machine.refuse("net tx -s 1415")
    assert machine.command("net mtu 1000") == ["1000"]
    machine.refuse("net tx -s 1015")
    machine.refuse("net mtu 1401")


def test_sending_with_the_link_down_says_so(netbsp):
    start = netbsp.console.position()
    netbsp.set_link(False)
    wait_for_note(netbsp, start - 1, b"down")
    lines = netbsp.command("net tx -s 60")
    assert "# link is down" in lines
    assert "sent 1 frame(s), 60 bytes" in lines
    start = netbsp.console.position()
    netbsp.set_link(True)
    wait_for_note(netbsp, start - 1, b"up")
    assert netbsp.command("net tx -s 61") == ["sent 1 frame(s), 61 bytes"]
    assert len(netbsp.wire.wait_for(1)[-1]) == 61
