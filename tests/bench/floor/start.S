// SPDX-License-Identifier: BSD-2-Clause
// Entry of the floor program from OpenSBI: interrupts off, a stack, bss cleared.

    .section .text.start, "ax"
    .globl _start
_start:
    csrw    sie, zero
    csrci   sstatus, 2              // SIE
    la      sp, stack_top
    la      t0, bss_start
    la      t1, bss_end
1:  sd      zero, 0(t0)
    sd      zero, 8(t0)
    addi    t0, t0, 16
    bltu    t0, t1, 1b
    call    floor_main
