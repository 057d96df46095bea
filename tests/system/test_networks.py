# SPDX-License-Identifier: BSD-2-Clause
"""Against real peers: QEMU's own network stack, and a second machine."""

import socket

from judge import shown
from machine import Nic, mac_address, mac_bytes
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether


def answers(machine, frame):
    lines = machine.command(f"net tx -p -w 500 {frame.hex()}")
    assert f"sent 1 frame(s), {max(60, len(frame))} bytes" in lines
    return [Ether(data) for _, _, data in shown([line for line in lines if not line.startswith("sent ")])]


def test_the_gateway_answers_an_arp_request(launch):
    machine = launch([Nic("user")])
    request = Ether(dst="ff:ff:ff:ff:ff:ff", src=mac_address(0)) / ARP(hwsrc=mac_address(0), psrc="10.0.2.15", pdst="10.0.2.2")
    replies = [answer for answer in answers(machine, bytes(request)) if ARP in answer and answer[ARP].op == 2]
    assert [(reply.dst, reply[ARP].psrc) for reply in replies] == [(mac_address(0), "10.0.2.2")]


def test_the_gateway_offers_an_address_by_dhcp(launch):
    machine = launch([Nic("user")])
    discover = (
        Ether(dst="ff:ff:ff:ff:ff:ff", src=mac_address(0))
        / IP(src="0.0.0.0", dst="255.255.255.255")
        / UDP(sport=68, dport=67)
        / BOOTP(chaddr=mac_bytes(mac_address(0)), xid=0x12345678, flags=0x8000)
        / DHCP(options=[("message-type", "discover"), "end"])
    )
    offers = [answer for answer in answers(machine, bytes(discover)) if DHCP in answer]
    assert len(offers) == 1
    assert offers[0][BOOTP].xid == 0x12345678
    assert offers[0][BOOTP].yiaddr == "10.0.2.15"
    assert ("message-type", 2) in offers[0][DHCP].options


def test_what_is_typed_on_one_machine_is_dumped_on_the_other(launch):
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with left, right:
        one = launch([Nic(f"socket,fd={left.fileno()}", mac=mac_address(0))], pass_fds=[left.fileno()])
        two = launch([Nic(f"socket,fd={right.fileno()}", mac=mac_address(1))], legacy=True, pass_fds=[right.fileno()])
    for sender, receiver, source in ((one, two, 0), (two, one, 1)):
        frame = mac_bytes(mac_address(1 - source)) + mac_bytes(mac_address(source)) + bytes.fromhex("88b5") + bytes(range(200))
        receiver.start("net dump -c 1")
        receiver.wait_for_text(r"# listening on net0\r\n")
        sender.command(f"net tx {frame.hex()}")
        assert [data for _, _, data in shown(receiver.finish())] == [frame]
