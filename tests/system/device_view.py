# SPDX-License-Identifier: BSD-2-Clause
"""What QEMU's device model says about itself (QMP `x-query-virtio-status`), beside what the shell says about it.

Both become a DeviceView: sets of names without prefixes. A feature that QEMU knows no name for is "bit-N".
"""

import dataclasses
import re

# Words 0 and 1 (VIRTIO 1.3, 2.2 and 6): what a legacy device has but cannot show is above bit 31.
ABOVE_BIT_31 = {"VERSION_1", "ACCESS_PLATFORM", "RING_PACKED", "IN_ORDER", "ORDER_PLATFORM", "RING_RESET"}
ABOVE_BIT_31 |= {"GUEST_HDRLEN", "HASH_REPORT", "RSS", "RSC_EXT", "STANDBY", "SPEED_DUPLEX"}
# What QEMU keeps from a modern driver, for it is legacy.
LEGACY_ONLY = {"GSO", "ANY_LAYOUT", "NOTIFY_ON_EMPTY"}
OTHER_NAMES = {"IOMMU_PLATFORM": "ACCESS_PLATFORM"}
# QEMU 7.2 has no name for it.
UNKNOWN = {40: "RING_RESET"}


@dataclasses.dataclass(frozen=True)
class DeviceView:
    offered: frozenset
    accepted: frozenset
    status: frozenset


def by_qmp(machine, index=0):
    path = f"/machine/peripheral/nic{index}"
    answer = machine.monitor.execute("x-query-virtio-status", path=path)
    hidden = ABOVE_BIT_31 if machine.legacy else LEGACY_ONLY
    return DeviceView(
        frozenset(_names(answer["host-features"]) - hidden),
        frozenset(_names(answer["guest-features"])),
        frozenset(re.match(r"VIRTIO_CONFIG_S_(\w+):", text)[1] for text in answer["status"]["statuses"]),
    )


def _names(features):
    names = set()
    for text in features.get("dev-features", []) + features.get("transports", []):
        name = re.match(r"(?:VIRTIO|VHOST|VHOST_USER)_(?:NET_|RING_)?F_(\w+):", text)[1]
        names.add(OTHER_NAMES.get(name, name))
    for key in ("unknown-dev-features", "unknown-transports"):
        bits = features.get(key, 0)
        names |= {UNKNOWN.get(bit, f"bit-{bit}") for bit in range(64) if bits >> bit & 1}
    return names


def by_shell(machine, options=""):
    lines = [line.split() for line in machine.command(f"net info{options}")]
    words = {line[0]: line[2:] for line in lines if len(line) > 1}
    offered, accepted, refused = (set(words[name]) for name in ("offered", "accepted", "refused"))
    assert refused == offered - accepted, "what was offered is either accepted or refused"
    return DeviceView(frozenset(offered), frozenset(accepted), frozenset(words["status"]))


def queues(machine, options=""):
    """[{"index", "role", "format", "broken", "size", "free", "in-flight", ...}] of `net queue`."""
    found = []
    for line in machine.command(f"net queue{options}"):
        words = line.split()
        if words[0] == "queue":
            found.append({"index": int(words[1]), "role": words[2], "format": words[3], "broken": "broken" in words[4:]})
        elif line.startswith("  "):
            found[-1].update({name: value for name, value in zip(words[::2], words[1::2])})
    for queue in found:
        for name in ("size", "max", "free", "in-flight"):
            queue[name] = int(queue[name])
    return found
