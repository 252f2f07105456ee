"""A DNS server: every name has the same addresses, such as that of a headless service."""

import contextlib
import socket
import socketserver
import struct
import threading

TYPE_A = 1


@contextlib.contextmanager
def dns_server(addresses):
    """Answers queries with IPv4 addresses (RFC 1035, section 4); yields its own address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            query, udp = self.request
            # The name ends with an empty label; type and class follow.
            end = query.index(b"\0", 12) + 5
            question = query[12:end]
            (kind,) = struct.unpack(">H", question[-4:-2])
            found = addresses if kind == TYPE_A else []
            header = struct.pack(">2sHHHHH", query[:2], 0x8180, 1, len(found), 0, 0)
            # The name as a pointer to the question, type A, class IN, no time to live.
            record = struct.pack(">HHHIH", 0xC00C, TYPE_A, 1, 0, 4)
            answers = [record + socket.inet_aton(address) for address in found]
            udp.sendto(header + question + b"".join(answers), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
