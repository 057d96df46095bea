# SPDX-License-Identifier: BSD-2-Clause
"""Which frames the device lets in is what was asked for, and stays so over resets. QEMU filters exactly, so each frame tells."""

import pytest
from device_view import by_qmp, by_shell
from judge import shown, with_tag
from machine import Nic, mac_address, mac_bytes, without_notes

ME = mac_address(0)
OTHER = "02:00:00:00:00:99"
BROADCAST = "ff:ff:ff:ff:ff:ff"
GROUP = "01:00:5e:00:00:07"
OTHER_GROUP = "33:33:00:00:00:07"


def frame_to(destination, mark=b"a frame"):
    return mac_bytes(destination) + bytes.fromhex("525400000001 88b5") + mark.ljust(46, b".")


def let_in(machine, frames, last=BROADCAST):
    """Which of `frames` a dump shows. The one after them, to `last`, must arrive: then all before it were judged."""
    machine.start("net dump")
    machine.wait_for_text(r"# listening on net0\r\n")
    for frame in frames:
        machine.wire.send(frame)
    machine.wire.send(frame_to(last, b".".rjust(34) + b"the very end"))
    machine.wait_for_text(rb"\|the very end\|\r\n")
    machine.interrupt()
    return [data for _, _, data in shown(machine.finish())][:-1]


def filter_state(machine):
    """QEMU's own account."""
    return machine.monitor.execute("query-rx-filter", name="nic0")[0]


def reset(machine):
    assert without_notes(machine.command("net reset")) == ["reset complete"]


# proves: NET-CTRL-05, NET-CTRL-48
def test_a_foreign_unicast_frame_is_shown_only_with_promisc_on(any_ring):
    frames = [frame_to(ME), frame_to(OTHER), frame_to(GROUP), frame_to(BROADCAST)]
    mine = [frames[0], frames[3]]
    assert any_ring.command("net promisc") == ["off"]
    assert not filter_state(any_ring)["promiscuous"]
    assert let_in(any_ring, frames) == mine
    assert any_ring.command("net promisc on") == []
    assert any_ring.command("net promisc") == ["on"]
    assert let_in(any_ring, frames) == frames
    reset(any_ring)
    assert any_ring.command("net promisc") == ["on"]
    assert let_in(any_ring, frames) == frames
    any_ring.command("net promisc off")
    assert let_in(any_ring, frames) == mine
    reset(any_ring)
    assert let_in(any_ring, frames) == mine


# proves: NET-CTRL-10, NET-CTRL-48
def test_only_groups_that_were_added_are_let_in(any_ring):
    frames = [frame_to(GROUP), frame_to(OTHER_GROUP), frame_to(OTHER)]
    assert let_in(any_ring, frames) == []
    assert any_ring.command(f"net mcast add {GROUP}") == []
    assert let_in(any_ring, frames) == frames[:1]
    reset(any_ring)
    assert let_in(any_ring, frames) == frames[:1]
    any_ring.command(f"net mcast add {OTHER_GROUP}")
    assert any_ring.command("net mcast list") == [GROUP, OTHER_GROUP]
    assert sorted(filter_state(any_ring)["multicast-table"]) == sorted([GROUP, OTHER_GROUP])
    assert let_in(any_ring, frames) == frames[:2]
    any_ring.command(f"net mcast del {GROUP}")
    assert let_in(any_ring, frames) == frames[1:2]
    any_ring.command(f"net mcast del {OTHER_GROUP}")
    assert any_ring.command("net mcast list") == []
    assert let_in(any_ring, frames) == []


# proves: NET-CTRL-05
def test_allmulti_lets_every_group_in(any_ring):
    frames = [frame_to(GROUP), frame_to(OTHER_GROUP), frame_to(OTHER)]
    any_ring.command("net allmulti on")
    assert let_in(any_ring, frames) == frames[:2]
    reset(any_ring)
    assert any_ring.command("net allmulti") == ["on"]
    assert let_in(any_ring, frames) == frames[:2]
    any_ring.command("net allmulti off")
    assert let_in(any_ring, frames) == []


def test_one_group_more_than_the_table_holds_lets_all_in_and_says_so(any_ring):
    groups = [f"01:00:5e:00:01:{index:02x}" for index in range(65)]
    for group in groups[:64]:
        assert any_ring.command(f"net mcast add {group}") == []
    state = filter_state(any_ring)
    assert (state["multicast"], sorted(state["multicast-table"])) == ("normal", groups[:64])
    frames = [frame_to(groups[0]), frame_to(groups[63]), frame_to(groups[64]), frame_to(OTHER_GROUP), frame_to(OTHER)]
    assert let_in(any_ring, frames) == frames[:2]

    said = any_ring.command(f"net mcast add {groups[64]}")
    assert [line for line in said if line.startswith("# ") and "allmulti" in line], said
    assert without_notes(said) == []
    assert any("allmulti" in line for line in any_ring.command("net mcast list"))
    assert without_notes(any_ring.command("net mcast list")) == groups
    assert any_ring.command("net allmulti") == ["off"], "that is what was asked for"
    assert filter_state(any_ring)["multicast"] == "all"
    assert let_in(any_ring, frames) == frames[:4]
    reset(any_ring)
    assert let_in(any_ring, frames) == frames[:4]

    any_ring.command(f"net mcast del {groups[64]}")
    assert any_ring.command("net mcast list") == groups[:64]
    assert filter_state(any_ring)["multicast"] == "normal"
    assert let_in(any_ring, frames) == frames[:2]


# proves: NET-CTRL-11
def test_vlan_ids_choose_among_tagged_frames_only_once_there_is_one(any_ring):
    untagged = frame_to(ME)
    five, six, none = (with_tag(frame_to(ME), vlan) for vlan in (5, 6, 0))
    frames = [untagged, five, six, none]
    assert "CTRL_VLAN" not in by_shell(any_ring).accepted
    assert let_in(any_ring, frames) == frames
    assert without_notes(any_ring.command("net vlan add 5")) == []
    view = by_shell(any_ring)
    assert "CTRL_VLAN" in view.accepted and view == by_qmp(any_ring)
    assert filter_state(any_ring)["vlan-table"] == [5]
    assert let_in(any_ring, frames) == [untagged, five]
    reset(any_ring)
    assert let_in(any_ring, frames) == [untagged, five]
    any_ring.command("net vlan add 6")
    assert any_ring.command("net vlan list") == ["5", "6"]
    assert let_in(any_ring, frames) == [untagged, five, six]
    any_ring.command("net vlan del 5")
    assert let_in(any_ring, frames) == [untagged, six]
    any_ring.command("net vlan del 6")
    assert any_ring.command("net vlan list") == []
    assert "CTRL_VLAN" not in by_shell(any_ring).accepted
    assert let_in(any_ring, frames) == frames


# proves: NET-CTRL-08, NET-CTRL-09
def test_net_mac_changes_what_arrives_and_what_is_sent(any_ring):
    frames = [frame_to(ME), frame_to(OTHER)]
    assert let_in(any_ring, frames) == frames[:1]
    assert any_ring.command(f"net mac {OTHER}") == [OTHER]
    assert let_in(any_ring, frames) == frames[1:]
    reset(any_ring)
    assert any_ring.command("net mac") == [OTHER]
    assert filter_state(any_ring)["main-mac"] == OTHER
    assert let_in(any_ring, frames) == frames[1:]
    any_ring.command("net tx -s 60")
    assert any_ring.wire.wait_for(1)[0][6:12] == mac_bytes(OTHER)
    assert OTHER in any_ring.command("net list")[0]
    for wrong in ("01:00:5e:00:00:07", "00:00:00:00:00:00", BROADCAST):
        any_ring.refuse(f"net mac {wrong}")
    assert any_ring.command("net mac") == [OTHER]


@pytest.mark.parametrize(
    "mode,shown_without,shown_with",
    [("alluni", [0, 3], [0, 1, 3]), ("nouni", [0, 3], [3]), ("nobcast", [0, 3], [0]), ("nomulti", [0, 2, 3], [0, 3])],
)
def test_the_other_receive_modes(either, mode, shown_without, shown_with):
    frames = [frame_to(ME), frame_to(OTHER), frame_to(GROUP), frame_to(BROADCAST)]
    last = ME if mode == "nobcast" else BROADCAST
    if mode == "nomulti":
        either.command(f"net mcast add {GROUP}")
    assert let_in(either, frames, last) == [frames[index] for index in shown_without]
    either.command(f"net {mode} on")
    assert let_in(either, frames, last) == [frames[index] for index in shown_with]
    reset(either)
    assert let_in(either, frames, last) == [frames[index] for index in shown_with]
    either.command(f"net {mode} off")
    assert let_in(either, frames, last) == [frames[index] for index in shown_without]


LACKS = [
    ("ctrl_rx=off", "CTRL_RX", ["net promisc on", "net allmulti on", f"net mcast add {GROUP}"]),
    ("ctrl_rx_extra=off", "CTRL_RX_EXTRA", ["net alluni on", "net nobcast on"]),
    ("ctrl_mac_addr=off", "CTRL_MAC_ADDR", [f"net mac {OTHER}"]),
    ("ctrl_vlan=off", "CTRL_VLAN", ["net vlan add 5"]),
    ("ctrl_vq=off", "CTRL_RX", ["net promisc on", "net allmulti on", f"net mcast add {GROUP}"]),
    ("ctrl_vq=off", "CTRL_MAC_ADDR", [f"net mac {OTHER}"]),
    ("ctrl_vq=off", "CTRL_VLAN", ["net vlan add 5"]),
    ("", "NOTF_COAL", ["net coalesce", "net coalesce rx 10 10"]),
]


# proves: NET-CTRL-03, NET-CTRL-04, NET-CTRL-07, NET-CTRL-09, NET-CTRL-11
@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_what_the_device_lacks_is_refused_in_one_line_and_changes_nothing(launch, legacy):
    for option in dict.fromkeys(option for option, _, _ in LACKS):
        machine = launch([Nic(options=option)], legacy=legacy)
        before = by_shell(machine)
        for line, feature in ((line, row[1]) for row in LACKS if row[0] == option for line in row[2]):
            error = machine.refuse(line)
            assert error.startswith("error: net ") and error.endswith(f": device has no {feature}"), (option, line, error)
        assert machine.command("net mac") == [ME]
        assert (machine.command("net mcast list"), machine.command("net vlan list")) == ([], [])
        assert by_shell(machine) == before
        machine.kill()


@pytest.mark.parametrize(
    "line",
    [
        "net promisc maybe",
        f"net mcast add {ME}",
        f"net mcast add {BROADCAST}",
        f"net mcast del {GROUP}",
        "net vlan add 4095",
        "net vlan del 5",
        "net vlan add five",
        "net mac 1:2:3",
        "net offload nonsense off",
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(netbsp, line):
    netbsp.refuse(line)
    assert by_shell(netbsp) == by_qmp(netbsp)
