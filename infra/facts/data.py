"""Reads a file of this package's data, once."""

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def read(name: str) -> Any:
    """The content of ``<name>.json`` of this package; callers must not change it."""
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text("utf-8"))
