"""Where the tests of the router put their sockets."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(name="folder")
def _folder() -> Iterator[Path]:
    """A folder whose path is short enough for Unix sockets, as pytest's own may not be."""
    with tempfile.TemporaryDirectory(prefix="router-") as name:
        yield Path(name)
