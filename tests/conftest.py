"""What every test may rely on: no network but loopback, and a Modal control plane of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sdk import ModalCli, forget_modal_client

from infra.local import ControlPlane

# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# The SDK reads this file when it is imported: a developer's own credentials must not be found.
os.environ["MODAL_CONFIG_PATH"] = os.devnull
# Nor may what a developer has downloaded decide what a plan says.
os.environ["HF_HUB_CACHE"] = os.devnull

_LOOPBACK = {"127.0.0.1", "::1", "localhost", "", None}


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook sees every way to the network, in any thread; it cannot be removed."""
    if event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if (host.decode() if isinstance(host, bytes) else host) not in _LOOPBACK:
        raise PermissionError(f"a test tried to reach {host!r}; only loopback is allowed")


sys.addaudithook(_refuse_network)


@pytest.fixture
def control_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    """A running control plane that this process's SDK, and its child processes, talk to."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("MODAL_")]:
        monkeypatch.delenv(name)
    with ControlPlane(tmp_path / "local") as plane:
        for name, value in plane.environ().items():
            monkeypatch.setenv(name, value)
        forget_modal_client()
        yield plane
        forget_modal_client()


@pytest.fixture
def modal_cli(control_plane: ControlPlane, tmp_path: Path) -> ModalCli:
    """The real `modal` command against this test's control plane."""

    def run(*arguments: str, cwd: Path = tmp_path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "modal", *arguments],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
