"""Carries packets between two TUN devices, later than they came, and drops some: a long path on one machine.

    delay-packets.py DEVICE_A DEVICE_B ONE_WAY_MS LOSS_PERCENT SEED

Creates both devices, prints "ready", and carries until it is ended; the devices go with it. One may be moved into
another network namespace. Large segments are passed as they are (segmentation offload), so that the path costs little
processor time; of one that holds a lost packet only that packet is taken out.
"""

import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
OFFLOAD_CHECKSUM, OFFLOAD_TSO4 = 0x01, 0x02
HEADER = struct.Struct("<BBHHHH")  # flags, segmentation, length of headers, size of a segment, checksum: start, offset
MOST_BYTES = 65536 + HEADER.size


def open_device(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(device, TUNSETOFFLOAD, OFFLOAD_CHECKSUM | OFFLOAD_TSO4)
    return device


def folded_sum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def part_of(packet, begin, end):
    """The bytes `begin` to `end` of the payload of a large TCP segment, as a segment of its own."""
    flags, kind, _, size, start, offset = HEADER.unpack_from(packet)
    ip = bytearray(packet[HEADER.size : HEADER.size + 20])
    tcp_begin = HEADER.size + (ip[0] & 15) * 4
    tcp_length = (packet[tcp_begin + 12] >> 4) * 4
    tcp = bytearray(packet[tcp_begin : tcp_begin + tcp_length])
    payload = packet[tcp_begin + tcp_length :]
    is_last = end >= len(payload)
    payload = payload[begin:end]
    struct.pack_into(">H", ip, 2, 20 + tcp_length + len(payload))
    struct.pack_into(">H", ip, 10, 0)
    struct.pack_into(">H", ip, 10, 0xFFFF ^ folded_sum(bytes(ip)))
    struct.pack_into(">I", tcp, 4, (struct.unpack_from(">I", tcp, 4)[0] + begin) & 0xFFFFFFFF)
    if not is_last:
        tcp[13] &= ~0x09  # FIN and PSH belong to the end
    # The kernel completes the checksum; it wants the sum of the pseudo-header.
    pseudo = bytes(ip[12:20]) + struct.pack(">HH", 6, tcp_length + len(payload))
    struct.pack_into(">H", tcp, 16, folded_sum(pseudo))
    is_large = len(payload) > size
    header = HEADER.pack(flags, kind if is_large else 0, 20 + tcp_length, size if is_large else 0, start, offset)
    return header + bytes(ip) + bytes(tcp) + payload


def survivors(packet, loss, random_source):
    """What is left of a packet on its way: all of it, nothing, or what was before and after a lost one."""
    _, kind, _, size, start, _ = HEADER.unpack_from(packet)
    if kind == 0 or size == 0:
        return [] if random_source.random() < loss else [packet]
    tcp_begin = HEADER.size + start
    payload = len(packet) - tcp_begin - (packet[tcp_begin + 12] >> 4) * 4
    count = -(-payload // size)
    lost = [n for n in range(count) if random_source.random() < loss]
    if not lost:
        return [packet]
    edges = [-1, *lost, count]
    return [
        part_of(packet, (before + 1) * size, after * size)
        for before, after in zip(edges, edges[1:])
        if after - before > 1
    ]


def carry(one, other, delay, loss, random_source):
    ways = {one: (other, collections.deque()), other: (one, collections.deque())}
    while True:
        now = time.monotonic()
        due = [queue[0][0] for _, queue in ways.values() if queue]
        wait = max(0.0, min(due) - now) if due else None
        readable, _, _ = select.select([one, other], [], [], wait)
        now = time.monotonic()
        for device in readable:
            queue = ways[device][1]
            for _ in range(64):
                try:
                    packet = os.read(device, MOST_BYTES)
                except BlockingIOError:
                    break
                if loss == 0:
                    queue.append((now + delay, packet))
                else:
                    queue.extend((now + delay, left) for left in survivors(packet, loss, random_source))
        for target, queue in ways.values():
            while queue and queue[0][0] <= now:
                try:
                    os.write(target, queue[0][1])
                except BlockingIOError:
                    break
                except OSError:
                    pass  # what is no packet of ours, such as one of IPv6, may be refused
                queue.popleft()


if __name__ == "__main__":
    name_a, name_b, one_way_ms, loss_percent, seed = sys.argv[1:]
    devices = open_device(name_a), open_device(name_b)
    print("ready", flush=True)
    carry(*devices, float(one_way_ms) / 1000, float(loss_percent) / 100, random.Random(int(seed)))
