"""A same_hq server that can be switched off and records trace headers."""

import http.server
import json
import threading


class Vendor:
    """Returns the same response to every call; HTTP 503 while it is `down`."""

    def __init__(self):
        self.down = False
        # All requests; successful calls, without token requests.
        self.requests = self.calls = 0
        self.traces = []
        vendor = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are sent in one packet.
            wbufsize = -1

            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                vendor.respond(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def respond(self, request):
        operation = request.path.split("?")[0].rsplit("/", 1)[1]
        self.requests += 1
        if self.down:
            return send(request, 503, {})
        if operation == "token":
            return send(request, 200, {"access_token": "24.mesh", "expires_in": 2592000})
        self.calls += 1
        self.traces.append(request.headers.get("traceparent"))
        match = {"cont_sign": "1,2", "score": 0.9, "brief": "mesh"}
        found = {"result_num": 1, "result": [match], "has_more": False}
        return send(request, 200, {"log_id": 1, "cont_sign": "1,2", **found})

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def send(request, status, body):
    body = json.dumps(body).encode()
    request.send_response(status)
    request.send_header("content-type", "application/json")
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
