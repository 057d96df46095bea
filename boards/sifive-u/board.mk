# SPDX-License-Identifier: BSD-2-Clause
# SiFive HiFive Unleashed as QEMU's `sifive_u`. Everything else is read from its device tree.
BOARD_QEMU := -M sifive_u -smp 2
