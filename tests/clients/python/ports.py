"""Free ports for the servers of tests."""

import random
import socket

# Below the range of ephemeral ports (Linux: 32768 and up), so that no outgoing
# connection uses a port before its server does, or while the server restarts.
RANGE = range(15000, 30000)


def free_ports(count):
    """Returns different free ports; all sockets are open until every port is known."""
    sockets, rng = [], random.SystemRandom()
    while len(sockets) < count:
        bound = socket.socket()
        try:
            bound.bind(("127.0.0.1", rng.choice(RANGE)))
        except OSError:
            bound.close()
        else:
            sockets.append(bound)
    ports = [bound.getsockname()[1] for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports
