# SPDX-License-Identifier: BSD-2-Clause
# fdt/: the device tree. Needs libfdt's fdt.c and fdt_ro.c, nothing else of it.

FDT_SRCS := fdt/tree.cpp fdt/address.cpp fdt/interrupt.cpp fdt/chosen.cpp

SRCS += $(FDT_SRCS)
HOST_SRCS += $(FDT_SRCS)
