"""Engines for the runtime's tests: real processes that run a few lines of Python."""

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Iterator
from subprocess import Popen
from textwrap import dedent

import pytest

from infra.runtime import engine


@pytest.fixture(name="start")
def _start() -> Iterator[Callable[..., tuple[Popen[bytes], deque[str]]]]:
    """Start a Python script as the engine; end it with the test."""
    with contextlib.ExitStack() as stack:

        def start(script: str, *arguments: str, keep: int = 50) -> tuple[Popen[bytes], deque[str]]:
            command = [sys.executable, "-c", dedent(script), *arguments]
            process, last_lines = engine.start_engine(command, keep)
            stack.callback(engine.stop_engine, process, 0)
            return process, last_lines

        yield start
