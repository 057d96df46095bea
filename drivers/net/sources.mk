# SPDX-License-Identifier: BSD-2-Clause
SRCS += drivers/net/ethernet.cpp
HOST_SRCS += drivers/net/ethernet.cpp
TEST_SRCS += tests/unit/test_ethernet.cpp
SRCS += drivers/net/virtio_net.cpp drivers/net/virtio_net_init.cpp
HOST_SRCS += drivers/net/virtio_net.cpp drivers/net/virtio_net_init.cpp
