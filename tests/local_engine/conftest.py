"""Stand-ins in processes of their own, installed and started as a replica would."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stand_ins import MODEL, StandIn, Start, free_port

from infra.local.engine import install
from infra.runtime import engine


@pytest.fixture(name="installed")
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a version of the stand-in on this process's PATH; no time passes in it."""
    for name in [name for name in os.environ if name.startswith(("SGLANG_", "VLLM_", "INFRA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INFRA_SIMULATED_SPEED", "off")
    before = {name: os.environ.get(name, "") for name in ("PATH", "PYTHONPATH")}

    def installed(version: str, engine: str = "sglang") -> None:
        for name, folder in install(tmp_path / "engine", {engine: version}).items():
            monkeypatch.setenv(name, os.pathsep.join(filter(None, (folder, before[name]))))

    installed("0.5.11")
    return installed


@pytest.fixture(name="start")
def _start(installed: Callable[..., None]) -> Iterator[Start]:
    """Start `sglang serve` with some flags; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(*flags: str, model: str = MODEL, module: bool = False) -> StandIn:
            port = free_port()
            program = (
                (sys.executable, "-m", "sglang.launch_server") if module else ("sglang", "serve")
            )
            command = [*program, "--model-path", model, "--port", str(port), *flags]
            process, lines = engine.start_engine(command)
            stack.callback(engine.stop_engine, process, 5)
            return StandIn(process, lines, f"http://127.0.0.1:{port}")

        yield start


@pytest.fixture(name="serve_vllm")
def _serve_vllm(installed: Callable[..., None]) -> Iterator[Start]:
    """Start `vllm serve` with some flags and wait until it is ready; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(*flags: str, model: str = MODEL, version: str = "0.33.0") -> StandIn:
            installed(version, "vllm")
            port = free_port()
            process, lines = engine.start_engine(
                ["vllm", "serve", model, "--port", str(port), *flags]
            )
            stack.callback(engine.stop_engine, process, 5)
            return StandIn(process, lines, f"http://127.0.0.1:{port}").wait_ready()

        yield start


@pytest.fixture(name="ready")
def _ready(start: Start) -> Start:
    """The same, and wait until it is ready."""
    return lambda *flags, **options: start(*flags, **options).wait_ready()
