# SPDX-License-Identifier: BSD-2-Clause
# <vendor and name of the board>. Copy this directory; docs/porting.md goes through it step by step.
#
# Say only what the device tree cannot. Remove the lines whose default fits; the defaults are shown.

# The code that may be generated. Floating-point registers are not used whatever stands here.
#BOARD_ARCH := rv64gc
#BOARD_ABI := lp64d

# Where the firmware jumps to: a multiple of 2 MiB, where OpenSBI's payload or U-Boot's `booti` puts the image.
#BOARD_LOAD := 0x80200000

# Bytes of the main stack, a multiple of 4096.
#BOARD_STACK_SIZE := 16384

# QEMU's machine, if it has one for this board: what `make run` starts.
#BOARD_QEMU := -M virt
