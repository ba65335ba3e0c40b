"""A service behind either front door, whose engine says who it is, in one piece or in many."""

import subprocess
import sys

import modal
import modal.experimental

VERSION = "one"
ENGINE = r"""
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def do_GET(self):
        words = [sys.argv[1]] if self.path == "/" else [sys.argv[1]] * 8 + ["end"]
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for word in words:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(word) + 1, word.encode() + b" "))
            time.sleep(0 if self.path == "/" else 0.05)
        self.wfile.write(b"0\r\n\r\n")
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""

app = modal.App("talk")


def start() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", ENGINE, VERSION])


@app.cls()
@modal.experimental.http_server(port=8000, proxy_regions=["us-west"], exit_grace_period=5)
class Open:
    """Anybody may come in."""

    @modal.enter()
    def enter(self):
        print("open enters", VERSION)
        self.engine = start()

    @modal.exit()
    def exit(self):
        print("open leaves", VERSION)
        self.engine.terminate()


@app.server(port=8000, routing_region="us-east", exit_grace_period=5)
class Guarded:
    """Callers show a token."""

    @modal.enter()
    def enter(self):
        self.engine = start()

    @modal.exit()
    def exit(self):
        self.engine.terminate()
