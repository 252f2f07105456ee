"""Ports for servers that are told where to listen."""

import random
import socket

# Below the range that systems draw the ports of outgoing connections from
# (Linux: 32768 and up), so that none takes a port before its server does, or
# while that one starts again.
RANGE = range(15000, 30000)


def free_ports(count):
    """Holds all sockets open until every port is known, so that they differ."""
    sockets, chance = [], random.SystemRandom()
    while len(sockets) < count:
        each = socket.socket()
        try:
            each.bind(("127.0.0.1", chance.choice(RANGE)))
        except OSError:
            each.close()
        else:
            sockets.append(each)
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
