# SPDX-License-Identifier: BSD-2-Clause
VIRTIO_CORE := drivers/virtio/device_init.cpp drivers/virtio/features.cpp drivers/virtio/mmio_common.cpp \
               drivers/virtio/mmio_legacy_transport.cpp drivers/virtio/mmio_transport.cpp drivers/virtio/split_ring.cpp
VIRTIO_CORE += drivers/virtio/packed_ring.cpp
SRCS += $(VIRTIO_CORE) drivers/virtio/mmio_probe.cpp
HOST_SRCS += $(VIRTIO_CORE) drivers/virtio/mmio_probe.cpp
SUPPORT_SRCS += tests/support/fake_packed_device.cpp
TEST_SRCS += tests/unit/test_packed_ring.cpp tests/unit/test_packed_ring_hostile.cpp tests/unit/test_packed_ring_indirect.cpp \
             tests/unit/test_packed_ring_notify.cpp tests/unit/test_packed_ring_order.cpp \
             tests/unit/test_packed_ring_random.cpp tests/unit/test_ring_batches.cpp
SUPPORT_SRCS += tests/support/fake_ring_device.cpp tests/support/fake_virtio_mmio.cpp
TEST_SRCS += tests/unit/test_device_init.cpp tests/unit/test_fake_virtio_mmio.cpp tests/unit/test_features.cpp \
             tests/unit/test_mmio_legacy.cpp tests/unit/test_mmio_transport.cpp tests/unit/test_split_ring.cpp tests/unit/test_split_ring_hostile.cpp \
             tests/unit/test_split_ring_notify.cpp tests/unit/test_transport_config.cpp
TEST_SRCS += tests/unit/test_mmio_probe.cpp tests/unit/test_mmio_queue_reset.cpp tests/unit/test_mmio_features.cpp
TEST_SRCS += tests/unit/test_split_ring_indirect.cpp tests/unit/test_split_ring_in_order.cpp
FIXTURES += tests/fixtures/interfaces.dts
