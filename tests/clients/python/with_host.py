"""Runs a script for which a host has another address, also another port.

Usage: with_host.py HOST ADDRESS:PORT SCRIPT [ARGUMENT]…
"""

import runpy
import socket
import sys

_, name, target, *sys.argv = sys.argv
address, _, target_port = target.rpartition(":")
lookup = socket.getaddrinfo


def replaced(host, port, *options, **named):
    if host == name:
        host, port = address, int(target_port)
    return lookup(host, port, *options, **named)


socket.getaddrinfo = replaced
runpy.run_path(sys.argv[0], run_name="__main__")
