// SPDX-License-Identifier: BSD-2-Clause
// Trap entry. sscratch holds the HartContext outside of a trap and 0 inside one; tp holds it always.
//
// Interrupts save what a C++ call may clobber, in the hart's frame, and run on the trap stack. They don't nest (SIE stays
// off), so one frame a hart is enough. Exceptions never return (probing accesses bring their own vector, see probe.S):
// they save everything and go to the panic stack. An exception inside a trap or inside a panic finds sscratch 0 and uses
// a frame of its own. Offsets are checked against the structs in hart.hpp.

    .equ    frame_sepc, 256
    .equ    frame_sstatus, 264
    .equ    frame_scause, 272
    .equ    frame_stval, 280
    .equ    hart_trap_stack_top, 288

    .macro each_caller_saved operation
    .irp    n, 1, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
    \operation x\n, 8*\n(tp)
    .endr
    .endm

    .macro save_exception_frame
    .irp    n, 2, 3, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    sd      x\n, 8*\n(tp)
    .endr
    csrrw   t1, sscratch, zero
    sd      t1, 8*4(tp)
    csrr    t0, sepc
    sd      t0, frame_sepc(tp)
    csrr    t0, sstatus
    sd      t0, frame_sstatus(tp)
    csrr    t0, scause
    sd      t0, frame_scause(tp)
    csrr    t0, stval
    sd      t0, frame_stval(tp)
    mv      a0, tp
    .endm

    .section .text.trap, "ax"
    .balign 4
    .globl  trap_entry
trap_entry:
    csrrw   tp, sscratch, tp
    beqz    tp, nested
    each_caller_saved sd
    csrr    a0, scause
    bgez    a0, exception

    csrrw   t0, sscratch, zero
    sd      t0, 8*4(tp)
    sd      sp, 8*2(tp)
    csrr    t0, sepc
    sd      t0, frame_sepc(tp)
    csrr    t0, sstatus
    sd      t0, frame_sstatus(tp)
    ld      sp, hart_trap_stack_top(tp)
    call    trap_interrupt
    ld      t0, frame_sepc(tp)
    csrw    sepc, t0
    ld      t0, frame_sstatus(tp)
    csrw    sstatus, t0
    csrw    sscratch, tp
    each_caller_saved ld
    ld      sp, 8*2(tp)
    ld      tp, 8*4(tp)
    sret

exception:
    save_exception_frame
    j       report

nested:
    .option push
    .option norelax
    la      tp, nested_frame
    .option pop
    each_caller_saved sd
    save_exception_frame
    mv      tp, t1

report:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    la      sp, panic_stack_top
    call    trap_exception          // does not return

// void call_on_panic_stack(void (*function)(const void*), const void* argument): does not return.
    .section .text.call_on_panic_stack, "ax"
    .globl  call_on_panic_stack
call_on_panic_stack:
    la      sp, panic_stack_top
    mv      t0, a0
    mv      a0, a1
    jalr    t0

    .section .bss.nested_frame, "aw", @nobits
    .balign 8
nested_frame:
    .skip   288
