"""Reads a file of this package's data, once."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def read(name: str) -> Any:
    """The content of ``<name>.json`` of this package; callers must not change it."""
    return json.loads(files("infra.facts").joinpath(f"{name}.json").read_text("utf-8"))
