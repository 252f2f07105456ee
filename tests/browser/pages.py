"""The servers of a page: its own, and one whose name is rebound to a gateway."""

import http.server
import json
import pathlib
import queue
import socket
import threading

PAGE = (pathlib.Path(__file__).parent / "page.html").read_text()


class Site:
    """Serves the page with a configuration, on a port for all names; collects its reports."""

    def __init__(self):
        self.config, self.reports = {}, queue.Queue()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send(200, site.page() if self.path == "/" else "")

            def do_POST(self):
                length = int(self.headers["content-length"])
                site.reports.put(json.loads(self.rfile.read(length)))
                self.send(204, "")

            def send(self, status, text):
                self.send_response(status)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self):
        return PAGE.replace("__CONFIG__", json.dumps(self.config))


class Rebound:
    """Serves the page until it asks to be rebound; every later request reaches the target.

    To a browser this is a name with a short lifetime in the DNS: host, port and so the origin
    stay the same.
    """

    def __init__(self, site, target):
        self.site, self.target, self.is_rebound = site, target, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=[client], daemon=True).start()

    def serve(self, client):
        with client:
            # Browsers open connections before they need them: the first bytes decide.
            begin = client.recv(65536)
            if not begin:
                return
            if self.is_rebound:
                self.relay(client, begin)
            else:
                self.is_rebound = begin.startswith(b"GET /rebind ")
                page = self.site.page().encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n"
                client.sendall(head.encode() + b"Connection: close\r\n\r\n" + page)

    def relay(self, client, begin):
        host, port = self.target.split(":")
        with socket.create_connection((host, int(port))) as gateway:
            gateway.sendall(begin)
            back = threading.Thread(target=copy, args=[gateway, client], daemon=True)
            back.start()
            copy(client, gateway)
            back.join()


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
