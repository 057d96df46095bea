# SPDX-License-Identifier: BSD-2-Clause
VIRTIO_CORE := drivers/virtio/device_init.cpp drivers/virtio/features.cpp drivers/virtio/mmio_common.cpp \
               drivers/virtio/mmio_legacy_transport.cpp drivers/virtio/mmio_transport.cpp drivers/virtio/split_ring.cpp
SRCS += $(VIRTIO_CORE) drivers/virtio/mmio_probe.cpp
HOST_SRCS += $(VIRTIO_CORE) drivers/virtio/mmio_probe.cpp
