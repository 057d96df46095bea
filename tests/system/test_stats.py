# SPDX-License-Identifier: BSD-2-Clause
"""The counters say what the harness sent and received, to the frame and byte."""

from judge import captured, numbered
from machine import Nic


def test_net_stats_equals_what_was_sent_and_received(any_ring):
    sizes = (14, 60, 61, 1513, 1514)
    for size in sizes:
        any_ring.command(f"net tx -c 7 -s {size}")
    incoming = [numbered(index, size) for index, size in enumerate(sizes * 3)]
    any_ring.start(f"net dump -c {len(incoming)} -q")
    any_ring.wait_for_text(r"# listening on net0\r\n")
    any_ring.wire.send_paced(incoming, 0.001)
    any_ring.finish()
    outgoing = any_ring.wire.wait_for(7 * len(sizes))
    stats = any_ring.stats()
    assert (stats["tx_packets"], stats["tx_bytes"]) == (len(outgoing), sum(map(len, outgoing)))
    # In modern mode as in legacy QEMU pads what it delivers to nothing: 14 bytes stay 14.
    assert (stats["rx_packets"], stats["rx_bytes"]) == (len(incoming), sum(map(len, incoming)))
    assert not any(value for name, value in stats.items() if "error" in name or "drop" in name)
    seen = captured(any_ring.capture_path())
    assert len(seen) == stats["tx_packets"] + stats["rx_packets"]
    assert sum(map(len, seen)) == stats["tx_bytes"] + stats["rx_bytes"]


def test_a_reset_keeps_the_counters_and_clear_clears_them(netbsp):
    netbsp.command("net tx -c 5 -s 100")
    netbsp.command("net reset")
    stats = netbsp.stats()
    assert (stats["tx_packets"], stats["tx_bytes"], stats["device_resets"]) == (5, 500, 1)
    netbsp.command("net stats clear")
    cleared = netbsp.stats()
    assert (cleared["tx_packets"], cleared["tx_bytes"], cleared["device_resets"]) == (0, 0, 0)


def test_interfaces_count_apart(launch):
    machine = launch([Nic(), Nic()])
    machine.command("net tx -i net1 -c 3 -s 60")
    assert machine.stats()["tx_packets"] == 0
    assert machine.stats(" -i net1")["tx_packets"] == 3


# proves: MMIO-27
def test_an_idle_machine_takes_no_interrupts(netbsp):
    """No interrupt storm: what was acknowledged is over."""
    netbsp.start("net dump -c 20 -q")
    netbsp.wait_for_text(r"# listening on net0\r\n")
    netbsp.wire.send_paced([numbered(index) for index in range(20)], 0.001)
    netbsp.finish()
    before = netbsp.stats()["interrupts"]
    assert before >= 1
    netbsp.command("net dump -t 1")
    assert netbsp.stats()["interrupts"] - before <= 2
