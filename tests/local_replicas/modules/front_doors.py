"""A service behind either front door, whose engine tells what it sees and does as it is told."""

import os
import subprocess
import sys
from pathlib import Path

import modal
import modal.experimental

ENGINE = r"""
import http.server, json, os, pathlib, threading
go = threading.Event()

def may_write(folder):
    try:
        (pathlib.Path(folder) / "probe").write_text("x")
    except OSError:
        return False
    return True

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def reply(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nfirst\r\n")
            go.wait()
            self.wfile.write(b"6\r\nsecond\r\n0\r\n\r\n")
        elif path == "/go":
            go.set()
            self.reply("gone")
        elif path == "/exit":
            os._exit(7)
        elif path == "/read":
            file = pathlib.Path(query)
            self.reply(file.read_text() if file.is_file() else None)
        elif path == "/write":
            self.reply(may_write(query))
        elif path == "/remove":
            pathlib.Path(query).unlink()
            self.reply("removed")
        else:
            self.reply({
                "task": os.environ["MODAL_TASK_ID"], "environment": dict(os.environ),
                "folder": os.getcwd(), "processes": sum(n.isdigit() for n in os.listdir("/proc")),
            })
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(len(body))

http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""
# A process that nobody's exit hook ends, in a session of its own and deaf to polite signals.
STRAY = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"

app = modal.App("front-doors")
notes = modal.Volume.from_name("notes", create_if_missing=True)
archive = modal.Volume.from_name("archive", create_if_missing=True)

image = (
    modal.Image.debian_slim()
    .env({"GREETING": 'it\'s a "quoted" $HOME', "OVERRIDDEN": "by the image"})
    .workdir("/srv/work")
    .add_local_file(Path(__file__).with_name("motd"), "/etc/motd-of-module")
)
secrets = [
    modal.Secret.from_name("door-key"),
    modal.Secret.from_dict({"OVERRIDDEN": "by the secret"}),
]


def start() -> "subprocess.Popen[bytes]":
    subprocess.Popen([sys.executable, "-c", STRAY], start_new_session=True)
    return subprocess.Popen([sys.executable, "-c", ENGINE], start_new_session=True)


@app.cls(
    image=image,
    secrets=secrets,
    volumes={"/notes": notes, "/archive": archive.read_only()},
    region="us-east",
)
@modal.experimental.http_server(port=8000, proxy_regions=["us-west"], exit_grace_period=1)
@modal.concurrent(target_inputs=10)
class Web:
    """The older front door."""

    @modal.enter()
    def enter(self):
        print("entering web")
        print("a warning", file=sys.stderr)
        self.engine = start()

    @modal.exit()
    def exit(self):
        print("leaving web")
        Path(f"/notes/left-{os.environ['MODAL_TASK_ID']}").write_text("bye")
        self.engine.terminate()


@app.server(
    image=image,
    secrets=secrets,
    port=8000,
    routing_region="us-east",
    startup_timeout=60,
    exit_grace_period=1,
    target_concurrency=1.5,
    max_concurrency=3,
    volumes={"/notes": notes},
)
class Door:
    """The newer one."""

    @modal.enter()
    def enter(self):
        print("entering door")
        self.engine = start()

    @modal.exit()
    def exit(self):
        print("leaving door")
        Path(f"/notes/left-{os.environ['MODAL_TASK_ID']}").write_text("bye")
        self.engine.terminate()
