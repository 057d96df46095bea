# SPDX-License-Identifier: BSD-2-Clause
# QEMU's RISC-V `virt` machine. Everything else is read from its device tree.
BOARD_QEMU := -M virt -m 512M -global virtio-mmio.force-legacy=false
