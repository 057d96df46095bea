# SPDX-License-Identifier: BSD-2-Clause
"""The transmit ring kept full on one hart, where QEMU lets a store pass a later load: a lost kick would stop it for good."""

import time

import pytest
from machine import Nic

# Two ports on a hub drop every frame, which takes them faster than any socket.
NOWHERE = ["-netdev", "hubport,id=spare,hubid=0"]


@pytest.mark.parametrize(
    "frames,runs", [(300_000, 1), pytest.param(2_000_000, 20, marks=pytest.mark.soak)], ids=["short", "soak"]
)
@pytest.mark.parametrize("kind", ["modern", "packed", "legacy"])
def test_a_full_ring_never_stalls(launch, kind, frames, runs):
    options = "packed=on" if kind == "packed" else ""
    for _ in range(runs):
        machine = launch([Nic("hubport,hubid=0", options=options)], legacy=kind == "legacy", extra=NOWHERE)
        assert machine.command(f"net tx -c {frames} -s 60", timeout=60 + frames / 20_000) == [
            f"sent {frames} frame(s), {frames * 60} bytes"
        ]
        assert machine.stats()["tx_packets"] == frames
        machine.kill()


@pytest.mark.soak
@pytest.mark.parametrize("run", range(10))
@pytest.mark.parametrize("packed", ["off", "on"])
def test_a_full_ring_without_event_index_never_stalls(launch, packed, run):
    machine = launch([Nic("hubport,hubid=0", options=f"event_idx=off,packed={packed}")], extra=NOWHERE)
    assert machine.command("net tx -c 2000000 -s 60", timeout=160)[-1].startswith("sent 2000000 frame(s)")


@pytest.mark.soak
@pytest.mark.parametrize("options", ["", "packed=on", "packed=on,event_idx=off", "packed=on,mrg_rxbuf=off", "indirect_desc=off"])
def test_millions_of_frames_come_in_and_none_is_lost(launch, options):
    machine = launch([Nic(options=options)])
    frame = bytes.fromhex("ffffffffffff52540000000188b5") + bytes(46)
    for _ in range(2_000_000):
        machine.wire.send(frame)
    # The last ones still lie in the socket, behind which nothing is lost.
    deadline = time.monotonic() + 30.0
    while machine.stats()["rx_packets"] < 2_000_000:
        assert time.monotonic() < deadline, "frames are missing"
    stats = machine.stats()
    assert (stats["rx_packets"], stats["rx_dropped"], stats["rx_errors"]) == (2_000_000, 0, 0)
