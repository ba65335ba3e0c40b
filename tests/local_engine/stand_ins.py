"""What tests do with a started stand-in."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs

from infra.runtime import engine

MODEL = "Qwen/Qwen3-8B-FP8"
HELLO = [{"role": "user", "content": "Hello, how are you?"}]
CHAT = "/v1/chat/completions"

Start = Callable[..., "StandIn"]


@attrs.frozen
class StandIn:
    """A started stand-in."""

    process: subprocess.Popen[bytes]
    lines: deque[str]
    url: str

    def ask(
        self, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """GET, or POST what is given as JSON; the status and the text."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def chat(self, **fields: Any) -> Any:
        """A whole chat."""
        status, text = self.ask("/v1/chat/completions", {"messages": HELLO, **fields})
        assert status == 200, text
        return json.loads(text)

    def metric(self, name: str) -> float:
        """The one value of a metric."""
        for line in self.ask("/metrics")[1].splitlines():
            if line.startswith(f"sglang:{name}{{"):
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no metric {name}")

    def wait_ready(self) -> "StandIn":
        """Wait as a generated module does."""
        engine.wait_ready(self.process, self.lines, f"{self.url}/health", timeout=60)
        return self


def events(text: str) -> list[Any]:
    """The objects of a stream of events, which ends as it should."""
    *parts, done, rest = text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for another process; give up only when it surely has failed."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
