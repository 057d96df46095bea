// SPDX-License-Identifier: BSD-2-Clause
// Memory barriers, named by purpose. The only `fence` instructions of the tree are here.
//
// All are fences fit for hardware devices (they name the I/O sets too), so VIRTIO_F_ORDER_PLATFORM (VIRTIO 1.3, 6.1)
// holds whether or not it was negotiated. Each use in a driver cites its section. On the host they are only declared;
// the tests define them, and the fake device plays its half of the ring inside.
#pragma once

namespace bsp::barrier {

#if defined(__riscv)

/// Everything written to (and read from) a buffer, its descriptors and ring slots happens before the index or flags
/// store that follows: that store gives them to the device (2.7.13.3.1, 2.8.21.1.1).
inline void before_publish() {
  asm volatile("fence iorw, ow" ::: "memory");
}

/// The store that exposed buffers happens before the load of the device's suppression word that follows: a full,
/// store-to-load barrier (2.7.13.4.1, 2.8.21.3.1).
///
/// The CSR read makes QEMU leave its translated block through a host-side locked exchange: QEMU 7.2 translates `fence`
/// to nothing on machines with one vCPU while the device runs in another host thread, so the fence alone loses
/// notifications there. Real harts pay one CSR read a batch.
inline void before_suppression_check() {
  unsigned long scratch = 0;
  asm volatile("fence iorw, iorw\n\tcsrr %0, sscratch" : "=r"(scratch)::"memory");
}

/// Asking for notifications (used_event or flags) happens before the look at the used index or flags that decides
/// whether to go idle: full barrier (2.7.14, 2.8.22). The CSR read as above.
inline void after_enabling_notifications() {
  before_suppression_check();
}

/// The load of the used index (or flags) happens before the loads of the entries and buffers it announces
/// (2.7.14, 2.8.22).
inline void after_used_index() {
  asm volatile("fence ir, ir" ::: "memory");
}

/// Memory stores happen before the doorbell store that follows (4.2.3.3; `fence w,o`).
inline void before_doorbell() {
  asm volatile("fence w, o" ::: "memory");
}

/// A register load (an interrupt cause, a status) happens before the memory loads that follow.
inline void after_register_read() {
  asm volatile("fence i, r" ::: "memory");
}

/// Earlier register stores and memory accesses happen before everything that follows; for hand-overs that are not hot.
inline void full() {
  asm volatile("fence iorw, iorw" ::: "memory");
}

#else

void before_publish();
void before_suppression_check();
void after_enabling_notifications();
void after_used_index();
void before_doorbell();
void after_register_read();
void full();

#endif

} // namespace bsp::barrier
