"""Secrets' values, in files that only their owner can read."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path


class SecretValues:
    """One file for each Secret's values, under a name of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, values: Mapping[str, str]) -> str:
        """Store them in a file of their own; its name. A change is a new file."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = secrets.token_hex(16)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self._folder / name, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(dict(values), file)
        return name

    def read(self, name: str) -> dict[str, str]:
        values: dict[str, str] = json.loads((self._folder / name).read_text(encoding="utf-8"))
        return values

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)
