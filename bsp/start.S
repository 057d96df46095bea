// SPDX-License-Identifier: BSD-2-Clause
// Entry from the S-mode firmware, on the one hart that it chose: a0 = hart id, a1 = device tree blob.
//
// The image starts with the header of a Linux boot image (Linux, Documentation/riscv/boot-image-header.rst), so that
// U-Boot's `booti` takes the flat binary. Runs with the MMU off and interrupts off until bsp_boot().

    .section .header, "ax"
    .globl _start
_start:
    .option push
    .option norvc
    j       start                   // code0
    nop                             // code1
    .option pop
    .dword  image_text_offset
    .dword  image_size              // covers bss and the stacks
    .dword  0                       // flags: little-endian
    .word   2                       // header version 0.2
    .word   0
    .dword  0
    .ascii  "RISCV\0\0\0"
    .ascii  "RSC\x05"
    .word   0

    .section .text.start, "ax"
start:
    rdtime  s2                      // hand-over, for uptime
    csrw    sie, zero
    csrci   sstatus, 2              // SIE
    csrw    satp, zero              // a loader may have left its tables on
    sfence.vma
    lla     t0, halt
    csrw    stvec, t0
    li      t0, 0x6600              // FS and VS off: a floating-point or vector instruction is a bug and traps
    csrc    sstatus, t0
    mv      s0, a0
    mv      s1, a1

    // The image is linked for one address; elsewhere only position-independent code works.
    lla     t0, _start
    ld      t1, link_address
    bne     t0, t1, misplaced

    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop

    la      t0, bss_start
    la      t1, bss_end
1:  sd      zero, 0(t0)
    sd      zero, 8(t0)
    sd      zero, 16(t0)
    sd      zero, 24(t0)
    addi    t0, t0, 32
    bltu    t0, t1, 1b

    la      tp, boot_hart           // HartContext, as trap.S expects it
    la      t0, trap_stack_top
    sd      t0, 288(tp)
    csrw    sscratch, tp
    la      t0, trap_entry
    csrw    stvec, t0

    la      sp, main_stack_top
    mv      a0, s0
    mv      a1, s1
    mv      a2, s2
    li      ra, 0
    call    bsp_boot

    .balign 4
halt:
    wfi
    j       halt

misplaced:
    lla     s0, misplaced_text
1:  lbu     a0, 0(s0)
    beqz    a0, halt
    li      a7, 1                   // legacy console putchar: works on every firmware that would load a wrong image
    ecall
    addi    s0, s0, 1
    j       1b

    .balign 8
link_address:
    .dword  _start
misplaced_text:
    .asciz  "netbsp: not loaded at the address it was linked for\r\n"
