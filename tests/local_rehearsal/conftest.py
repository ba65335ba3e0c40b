"""Rehearsals in folders of their own; whatever became of them, nothing is left."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemons import MODULES, Daemon, remains


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user's environment: no credentials, and an engine that does not wait."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    return {
        **kept,
        "HOME": str(tmp_path),
        "MODAL_CONFIG_PATH": os.devnull,
        "INFRA_SIMULATED_SPEED": "off",
        "COLUMNS": "300",
        "NO_COLOR": "1",
    }


@pytest.fixture
def start_daemon(tmp_path: Path, environ: dict[str, str]) -> Iterator[Callable[[str], Daemon]]:
    """Start the daemon of a folder of that name; afterwards nothing of any is left."""
    daemons: list[Daemon] = []

    def start(name: str) -> Daemon:
        daemon = Daemon(tmp_path / name, environ)
        daemons.append(daemon)
        daemon.start()
        return daemon

    yield start
    for daemon in daemons:
        daemon.end()
        assert remains(daemon.root) == [], daemon.said()


@pytest.fixture
def daemon(start_daemon: Callable[[str], Daemon]) -> Daemon:
    """One rehearsal."""
    return start_daemon("local")


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A module that a test may change and deploy again."""
    return Path(shutil.copy(MODULES / "talk.py", tmp_path))
