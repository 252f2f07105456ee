"""A same_hq server with fixed responses."""

import http.server
import json
import threading

HITS = 300


class Stub:
    def __init__(self):
        responses = {
            "token": {"access_token": "24.stub", "expires_in": 2592000},
            "add": {"log_id": 1, "cont_sign": "1,2"},
            "delete": {"log_id": 1},
            "search": {"log_id": 1, "result_num": HITS, "has_more": False, "result": hits()},
        }
        responses = {name: json.dumps(body).encode() for name, body in responses.items()}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are sent in one packet.
            wbufsize = -1

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                body = responses[self.path.split("?")[0].rsplit("/", 1)[1]]
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def hits():
    return [
        {"cont_sign": f"{7 * n},{n}", "score": 1 - n / 1000, "brief": f'{{"sku": "{n}"}}'}
        for n in range(HITS)
    ]
