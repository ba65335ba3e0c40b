"""Services to probe: real stand-ins behind real routers, and a terminal to probe them from."""

import contextlib
import os
import pty
import re
import select
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from probed import MODEL, Front

from infra.local.engine import install

INFRA = [sys.executable, "-m", "infra.cli"]
FRONT = [sys.executable, str(Path(__file__).with_name("front_process.py"))]


@pytest.fixture(name="environ")
def _environ(tmp_path: Path) -> dict[str, str]:
    """A user's environment without Modal credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    none = str(tmp_path / "none.toml")
    return {**kept, "HOME": str(tmp_path), "MODAL_CONFIG_PATH": none, "NO_COLOR": "1"}


@pytest.fixture(name="start", scope="session")
def _start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    """Start a stand-in, and give its port when it is ready."""
    folder = tmp_path_factory.mktemp("engine")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SGLANG_", "INFRA_"))
    }
    path = install(folder, {"sglang": "0.5.11"})["PATH"]
    with contextlib.ExitStack() as stack:

        def start(*flags: str, speed: str = "off", model: str = MODEL, **environ: str) -> int:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = int(listener.getsockname()[1])
            process = subprocess.Popen(
                ["sglang", "serve", "--model-path", model, "--port", str(port), *flags],
                env={
                    **kept,
                    "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
                    "HOME": str(folder),
                    "INFRA_SIMULATED_SPEED": speed,
                    **environ,
                },
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            while not _is_healthy(port):
                assert process.poll() is None
                time.sleep(0.02)
            return port

        yield start


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.fixture(name="ports", scope="session")
def _ports(start: Callable[..., int]) -> tuple[int, int]:
    """Two stand-ins in which no time passes, one model that thinks."""
    return start("--reasoning-parser", "qwen3"), start("--reasoning-parser", "qwen3")


@pytest.fixture(name="front")
def _front() -> Iterator[Callable[..., Front]]:
    """Start a router, with or without a door; it has no engines yet."""
    with contextlib.ExitStack() as stack:

        def front(token: tuple[str, str] | None = None) -> Front:
            process = stack.enter_context(
                subprocess.Popen(
                    [*FRONT, *(token or ())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            assert process.stdout
            return Front(process.stdout.readline().strip(), process)

        yield front


@pytest.fixture(name="routed")
def _routed(front: Callable[..., Front], ports: tuple[int, int]) -> Front:
    """Two stand-ins behind a router."""
    routed = front()
    for number, port in enumerate(ports):
        routed.tell(f"replica-{number} {port}")
    return routed


@pytest.fixture(name="probe")
def _probe(
    environ: dict[str, str], tmp_path: Path
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs `infra probe` without a terminal."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*INFRA, "probe", *arguments],
            cwd=tmp_path,
            env={**environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(name="terminal")
def _terminal(environ: dict[str, str], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs `infra probe` at a terminal; sends a signal or acts when it sees a pattern."""

    def run(*arguments: str, until: str, then: Callable[[], object] | int) -> tuple[int, str]:
        control, terminal = pty.openpty()
        process = subprocess.Popen(
            [*INFRA, "probe", *arguments],
            cwd=tmp_path,
            env=environ,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        seen, is_done = b"", False
        while True:
            # A signal between Python's last look for one and its wait is not seen until the next.
            if is_done and isinstance(then, int) and not select.select([control], [], [], 20)[0]:
                process.send_signal(then)
                continue
            try:
                seen += os.read(control, 65536)
            except OSError:  # the other end is closed
                break
            if not is_done and re.search(until.encode(), seen):
                is_done = True
                if isinstance(then, int):
                    process.send_signal(then)
                else:
                    then()
        os.close(control)
        return process.wait(), seen.decode().replace("\r\n", "\n")

    return run
