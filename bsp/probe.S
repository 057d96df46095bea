// SPDX-License-Identifier: BSD-2-Clause
// Loads, stores and a counter read that may fault. Interrupts are off and stvec points here for the length of the access, so a fault
// needs neither a stack nor a table of addresses, and it works in a trap handler and in a panic too.
//
// bool probe_load(uint64_t address, unsigned width, uint64_t* value)
// bool probe_store(uint64_t address, unsigned width, uint64_t value)
// uint64_t probe_instret(): 0 if it may not be read

    .macro open_window
    csrrci  t0, sstatus, 2          // SIE
    andi    t0, t0, 2
    lla     t1, fault
    csrrw   t1, stvec, t1
    li      t2, 1
    li      t3, 2
    li      t4, 4
    .endm

    .section .text.probe, "ax"
    .globl  probe_load
probe_load:
    open_window
    beq     a1, t2, 1f
    beq     a1, t3, 2f
    beq     a1, t4, 4f
    ld      t5, 0(a0)
    j       5f
1:  lbu     t5, 0(a0)
    j       5f
2:  lhu     t5, 0(a0)
    j       5f
4:  lwu     t5, 0(a0)
5:  fence   iorw, iorw              // a late bus error belongs to this access
    csrw    stvec, t1
    sd      t5, 0(a2)
    li      a0, 1
    csrs    sstatus, t0
    ret

    .globl  probe_store
probe_store:
    open_window
    beq     a1, t2, 1f
    beq     a1, t3, 2f
    beq     a1, t4, 4f
    sd      a2, 0(a0)
    j       5f
1:  sb      a2, 0(a0)
    j       5f
2:  sh      a2, 0(a0)
    j       5f
4:  sw      a2, 0(a0)
5:  fence   iorw, iorw
    csrw    stvec, t1
    li      a0, 1
    csrs    sstatus, t0
    ret

    .globl  probe_instret
probe_instret:
    open_window
    csrr    a0, instret
    csrw    stvec, t1
    csrs    sstatus, t0
    ret

    .balign 4
fault:
    csrw    stvec, t1
    li      a0, 0
    csrs    sstatus, t0
    ret
