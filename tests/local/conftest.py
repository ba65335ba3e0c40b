"""Ways to deploy the suite's own modules."""

import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import modal
import pytest

from infra.local import ControlPlane

MODULES = Path(__file__).parent / "modules"

_numbers = itertools.count()


@pytest.fixture
def modules() -> Path:
    """The folder of the modules that `modal deploy` is given."""
    return MODULES


@pytest.fixture
def service(control_plane: ControlPlane) -> Callable[[], ModuleType]:
    """Load the service module anew, as each `modal deploy` does; its Secret exists."""
    modal.Secret.objects.create("hub-token", {"TOKEN": "hf_very_secret"}, allow_existing=True)

    def load() -> ModuleType:
        path = MODULES / "service.py"
        spec = importlib.util.spec_from_file_location(f"service_{next(_numbers)}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # The SDK looks classes and functions up by their module's name.
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def start_python() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start Python with a plane's environment; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, environ: Mapping[str, str]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
