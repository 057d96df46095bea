# SPDX-License-Identifier: BSD-2-Clause
SRCS += drivers/net/ethernet.cpp
HOST_SRCS += drivers/net/ethernet.cpp
TEST_SRCS += tests/unit/test_ethernet.cpp
SRCS += drivers/net/offload.cpp
HOST_SRCS += drivers/net/offload.cpp
TEST_SRCS += tests/unit/test_offload.cpp
VIRTIO_NET := drivers/net/virtio_net_features.cpp drivers/net/virtio_net_init.cpp drivers/net/virtio_net_recovery.cpp \
              drivers/net/virtio_net_rx.cpp drivers/net/virtio_net_tx.cpp
SRCS += $(VIRTIO_NET)
HOST_SRCS += $(VIRTIO_NET)
TEST_SRCS += tests/unit/test_virtio_net_init.cpp tests/unit/test_virtio_net_legacy.cpp \
             tests/unit/test_virtio_net_recovery.cpp tests/unit/test_virtio_net_rx.cpp tests/unit/test_virtio_net_tx.cpp
CONTROL := drivers/net/control_queue.cpp drivers/net/virtio_net_control.cpp drivers/net/virtio_net_tuning.cpp \
           drivers/net/virtio_net_device_stats.cpp
SRCS += $(CONTROL)
HOST_SRCS += $(CONTROL)
TEST_SRCS += tests/unit/test_virtio_net_features.cpp tests/unit/test_virtio_net_offload_tx.cpp
TEST_SRCS += tests/unit/test_virtio_net_each_step.cpp tests/unit/test_virtio_net_hostile.cpp \
             tests/unit/test_virtio_net_hostile_rings.cpp tests/unit/test_virtio_net_mergeable.cpp \
             tests/unit/test_virtio_net_offload_rx.cpp tests/unit/test_virtio_net_rx_buffers.cpp \
             tests/unit/test_virtio_net_watchdog.cpp
TEST_SRCS += tests/unit/test_control_queue.cpp tests/unit/test_virtio_net_control.cpp \
             tests/unit/test_virtio_net_device_stats.cpp tests/unit/test_virtio_net_filters.cpp \
             tests/unit/test_virtio_net_tuning.cpp
SUPPORT_SRCS += tests/support/fake_net_control.cpp
