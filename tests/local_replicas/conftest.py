"""Replicas of the suite's own modules; whatever they did, nothing of them is left."""

import asyncio
import importlib.util
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import modal
import pytest
from rehearsals import LIMIT_SECONDS, MODULES, Deploy, Rehearse, sockets, survivors

from infra.local import ControlPlane
from infra.local.replica_host import ReplicaHost


@pytest.fixture
def root(tmp_path: Path, control_plane: ControlPlane) -> Iterator[Path]:
    """The state's folder; afterwards no process, file or socket of a replica remains."""
    root = tmp_path / "local"
    yield root
    assert survivors(root) == []
    assert list((root / "replicas").glob("*")) == []
    assert sockets(root) == []


@pytest.fixture
def deploy(control_plane: ControlPlane) -> Deploy:
    """Deploy a module as `modal deploy` does."""
    modal.Secret.objects.create("door-key", {"KEY": "of iron", "GREETING_OF": "k"})

    def load_and_deploy(path: Path) -> None:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # the SDK looks classes up by their module's name
        try:
            spec.loader.exec_module(module)
            module.app.deploy()
        finally:
            del sys.modules[spec.name]

    return load_and_deploy


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A checkout of the modules that a test may change."""
    return Path(shutil.copytree(MODULES, tmp_path / "checkout"))


@pytest.fixture
def rehearse(root: Path) -> Rehearse:
    """Run a coroutine function with a host of replicas."""

    def run(body: Callable[[ReplicaHost], Awaitable[Any]]) -> Any:
        async def inside() -> Any:
            async with asyncio.timeout(LIMIT_SECONDS * 2), ReplicaHost(root) as host:
                return await body(host)

        return asyncio.run(inside())

    return run
