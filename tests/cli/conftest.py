"""A user's folder, terminal and commands: real processes, without Modal credentials."""

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local import ControlPlane

INFRA = [sys.executable, "-m", "infra.cli"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

STACK = """
from components import ImageSpec, InferenceService, RoutingPolicy, WeightCache
from infra import App, Stack

def chat(name, **fields):
    return InferenceService(
        name=name,
        model="Qwen/Qwen3-8B-FP8",
        gpu="H100:2",
        image=ImageSpec.from_registry("lmsysorg/sglang:v0.5.11").entrypoint([]),
        weights=WeightCache("huggingface-cache"),
        routing=RoutingPolicy(region="us-east", target_inputs=10),
        startup_timeout=3600,
        **fields,
    )

stack = Stack("dev", apps=[App("alpha", [chat("alpha")]), App("beta", [chat("beta")])])
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user's environment without Modal credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    return {**kept, "HOME": str(tmp_path), "MODAL_CONFIG_PATH": str(tmp_path / "none.toml")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a stack file, as a user has it."""
    folder = tmp_path / "project"
    (folder / "stacks").mkdir(parents=True)
    (folder / "stacks" / "dev.py").write_text(STACK)
    return folder


@pytest.fixture
def infra(project: Path, environ: dict[str, str]) -> Run:
    """Runs `infra` in the project's folder, without a terminal."""

    def run(*arguments: str, cwd: Path = project) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*INFRA, *arguments],
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def terminal(project: Path, environ: dict[str, str]) -> Callable[..., tuple[int, str]]:
    """Runs `infra` at a terminal: waits for a text, then types an answer or sends a signal."""

    def run(arguments: list[str], until: str, answer: str | int) -> tuple[int, str]:
        control, terminal = pty.openpty()
        # Commands in the background of a shell ignore it, and so do those that they start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(
            [*INFRA, *arguments],
            cwd=project,
            env=environ,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        seen, answered = "", False
        while True:
            # A signal between Python's last look for one and its read is not seen until the next.
            if answered and isinstance(answer, int) and not select.select([control], [], [], 1)[0]:
                process.send_signal(answer)
                continue
            try:
                seen += os.read(control, 65536).decode()
            except OSError:  # the other end is closed
                break
            if until in seen and not answered:
                answered = True
                if isinstance(answer, int):
                    process.send_signal(answer)
                else:
                    os.write(control, answer.encode())
        os.close(control)
        return process.wait(), seen.replace("\r\n", "\n")

    return run


@pytest.fixture
def modal_command(project: Path, environ: dict[str, str]) -> Iterator[Run]:
    """Runs the real `modal` against the control plane of the project's folder."""
    with ControlPlane(project / ".infra" / "local") as plane:

        def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [sys.executable, "-m", "modal", *arguments],
                cwd=project,
                env={**environ, **plane.environ(), "COLUMNS": "200", "NO_COLOR": "1"},
                capture_output=True,
                text=True,
                check=True,
            )

        yield run


@pytest.fixture
def modal_python(project: Path, environ: dict[str, str]) -> Callable[[str], None]:
    """Runs a script of somebody else's against the control plane of the project's folder."""

    def run(script: str) -> None:
        with ControlPlane(project / ".infra" / "local") as plane:
            subprocess.run(
                [sys.executable, "-c", script],
                cwd=project,
                env={**environ, **plane.environ()},
                check=True,
            )

    return run
