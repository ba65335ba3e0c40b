"""A replica takes requests when its engine is healthy and warm, and says why if it never is."""

import contextlib
import http.server
import io
import json
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from subprocess import Popen

import attrs
import pytest

from infra.runtime import engine

Start = Callable[..., tuple[Popen[bytes], deque[str]]]

SLEEP = "import time; print('loading weights', flush=True); time.sleep(600)"
TOO_LATE = (0, b"")

# Serves on the port that it is given; drops its first chat, and a moment later ends.
MORTAL = """
    import http.server, os, socket, sys, time
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
        def do_POST(self):
            print("CUDA error: out of memory", flush=True)
            self.connection.shutdown(socket.SHUT_RDWR)
            time.sleep(0.2)
            os._exit(7)
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@attrs.define
class HttpSide:
    """The HTTP side of an engine: what it answers in turn, and what it was asked."""

    answers: list[tuple[int, bytes]] = attrs.Factory(lambda: [(200, b"")])
    asked: list[tuple[str, bytes]] = attrs.Factory(list)
    url: str = ""
    released: threading.Event = attrs.Factory(threading.Event)

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Give the next answer; the last one stays, and TOO_LATE is a 200 after a while."""
        self.asked.append((path, body))
        status, text = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if status == 0:
            self.released.wait(10)
        return status or 200, text


@pytest.fixture(name="side")
def _side() -> Iterator[HttpSide]:
    """Serve an HttpSide on loopback for the length of the test."""
    side = HttpSide()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, text = side.answer(self.path, body)
            with contextlib.suppress(ConnectionError):  # it may be too late
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        do_POST = do_GET  # noqa: N815 - http.server looks for it

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's own output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        side.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield side
        finally:
            side.released.set()
            server.shutdown()
            thread.join()


def unused_port() -> int:
    """Find a port of loopback on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_ready_when_health_answers_200(start: Start, side: HttpSide) -> None:
    """Answers other than 200 are waited out, and the first 200 is enough."""
    side.answers = [(503, b""), (503, b"starting"), (204, b""), (302, b""), (200, b"ok")]
    engine.wait_ready(*start(SLEEP), f"{side.url}/health", 60)
    assert side.asked == [("/health", b"")] * 5


def test_no_proxy_comes_between(
    start: Start, side: HttpSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is asked directly even if the environment names a proxy."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    engine.wait_ready(*start(SLEEP), f"{side.url}/health", 60)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise SystemExit(3)", "the engine ended with exit code 3. It has printed nothing."),
        ("pass", "the engine ended with exit code 0. It has printed nothing."),
        (
            "import os; print('Killed!', flush=True); os.kill(os.getpid(), 9)",
            "the engine ended with signal SIGKILL. Its last output:\n    Killed!",
        ),
        (
            f"import os; os.kill(os.getpid(), {signal.SIGRTMIN + 1})",
            f"the engine ended with exit code -{signal.SIGRTMIN + 1}. It has printed nothing.",
        ),
    ],
    ids=["code", "zero", "signal", "nameless signal"],
)
def test_a_dead_engine_is_told_with_its_end(start: Start, script: str, message: str) -> None:
    """An engine that ends before it is ready fails the start, with how it ended."""
    with pytest.raises(RuntimeError) as caught:
        engine.wait_ready(*start(script), f"http://127.0.0.1:{unused_port()}/health", 600)
    assert str(caught.value) == message


def test_the_last_lines_of_a_dead_engine_are_its_last(start: Start) -> None:
    """However much a dying engine has printed, the message ends with its very last line."""
    script = "for _ in range(200000): print('noise')\nraise SystemExit('no such model')"
    with pytest.raises(RuntimeError) as caught:
        engine.wait_ready(*start(script), f"http://127.0.0.1:{unused_port()}/health", 600)
    assert str(caught.value).endswith("    noise\n    no such model")


def test_the_last_lines_are_waited_for(start: Start) -> None:
    """The message waits for lines that are printed, but have not come through yet."""

    class SlowTerminal(io.StringIO):
        def write(self, text: str) -> int:
            time.sleep(0.3)
            return super().write(text)

    script = "import time; print('up', flush=True); time.sleep(0.1); raise SystemExit('down')"
    with contextlib.redirect_stdout(SlowTerminal()), pytest.raises(RuntimeError) as caught:
        engine.wait_ready(*start(script), f"http://127.0.0.1:{unused_port()}/health", 600)
    assert str(caught.value).endswith("    up\n    down")


def test_a_child_that_holds_the_pipe_does_not_hide_the_death(start: Start) -> None:
    """The engine's death is told although a child of it keeps the output open."""
    script = """
        import os, time
        if os.fork() == 0:
            time.sleep(600)
        print("scheduler lost", flush=True)
        os._exit(1)
    """
    with pytest.raises(RuntimeError, match=r"exit code 1.*\n    scheduler lost"):
        engine.wait_ready(*start(script), f"http://127.0.0.1:{unused_port()}/health", 600)


def test_an_engine_that_is_never_healthy_is_late(start: Start, side: HttpSide) -> None:
    """At the deadline the error tells the last answer of /health and the last output."""
    side.answers = [(503, b"still loading")]
    process, last_lines = start(SLEEP)
    with pytest.raises(TimeoutError) as caught:
        engine.wait_ready(process, last_lines, f"{side.url}/health", 1)
    assert str(caught.value) == (
        f"the engine was not ready within 1 s; {side.url}/health last answered:"
        " HTTP 503 still loading. Its last output:\n    loading weights"
    )
    assert process.poll() is None


def test_an_engine_that_never_listens_is_late(start: Start) -> None:
    """At the deadline of an engine without a port the error tells the refused connection."""
    with pytest.raises(TimeoutError, match="last answered: ConnectionRefusedError"):
        engine.wait_ready(*start(SLEEP), f"http://127.0.0.1:{unused_port()}/health", 0.5)


def test_a_silent_health_check_does_not_outlast_the_deadline(start: Start, side: HttpSide) -> None:
    """A /health that takes the request and says nothing is given up at the deadline."""
    side.answers = [TOO_LATE]
    with pytest.raises(TimeoutError, match="last answered: TimeoutError"):
        engine.wait_ready(*start(SLEEP), f"{side.url}/health", 0.5)
    assert len(side.asked) == 1


@pytest.mark.parametrize("path", ["", "/", "/health", "/v1/chat/completions"])
def test_warm_up_sends_short_chats(start: Start, side: HttpSide, path: str) -> None:
    """Warm-up sends as many chats of 16 tokens as asked for, with the model's name."""
    engine.warm_up(*start(SLEEP), side.url + path, "org/model", 60, requests=2)
    assert [path for path, _ in side.asked] == ["/v1/chat/completions"] * 2
    for _, body in side.asked:
        chat = json.loads(body)
        assert (chat["model"], chat["max_tokens"]) == ("org/model", 16)
        assert [message["role"] for message in chat["messages"]] == ["user"]


def test_warm_up_shows_an_http_error(start: Start, side: HttpSide) -> None:
    """A chat that is refused fails the start, with the status and the start of the body."""
    side.answers = [(200, b"{}"), (400, b"b" * 9000)]
    with pytest.raises(RuntimeError) as caught:
        engine.warm_up(*start(SLEEP), side.url, "org/model", 60)
    assert str(caught.value) == "warm-up request 2 of 3 failed: HTTP 400 " + "b" * 500


def test_warm_up_has_one_time_limit(start: Start, side: HttpSide) -> None:
    """An engine that hangs in a chat is given up when the limit for all chats is over."""
    side.answers = [(200, b"{}"), TOO_LATE]
    with pytest.raises(TimeoutError, match=r"request 2 of 3 failed, with 0\.5 s for all"):
        engine.warm_up(*start(SLEEP), side.url, "org/model", 0.5)
    assert len(side.asked) == 2


def test_warm_up_sees_the_engine_die(start: Start) -> None:
    """An engine that dies of its first chat fails the start with its last words."""
    port = unused_port()
    process, last_lines = start(MORTAL, str(port))
    engine.wait_ready(process, last_lines, f"http://127.0.0.1:{port}/health", 60)
    with pytest.raises(RuntimeError, match=r"(?s)exit code 7.*CUDA error: out of memory"):
        engine.warm_up(process, last_lines, f"http://127.0.0.1:{port}", "org/model", 600)


def test_warm_up_tells_a_lost_connection_from_a_death(start: Start) -> None:
    """A chat that cannot be sent to a living engine fails the start and tells the cause."""
    with pytest.raises(RuntimeError, match=r"1 of 3 failed.*ConnectionRefusedError"):
        engine.warm_up(*start(SLEEP), f"http://127.0.0.1:{unused_port()}", "org/model", 60)
