"""Ways to deploy the suite's own modules."""

import asyncio
import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import modal
import pytest
from google.protobuf.message import Message
from grpclib.client import Channel
from modal_proto.api_grpc import ModalClientStub

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


@pytest.fixture
def call(control_plane: ControlPlane) -> Callable[[str, Message], Any]:
    """Make one call by its name, without the SDK: for what the SDK has no public method for."""

    async def answer(name: str, request: Message) -> Any:
        channel = Channel("127.0.0.1", urlsplit(control_plane.url).port)
        environ = control_plane.environ()
        metadata = {
            "x-modal-token-id": environ["MODAL_TOKEN_ID"],
            "x-modal-token-secret": environ["MODAL_TOKEN_SECRET"],
        }
        try:
            return await getattr(ModalClientStub(channel), name)(request, metadata=metadata)
        finally:
            channel.close()

    return lambda name, request: asyncio.run(answer(name, request))
