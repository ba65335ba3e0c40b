"""File contents on disk, each under its SHA-256."""

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import IO

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


class Mismatch(Exception):
    """The bytes that arrived are not those that were announced."""


class Blobs:
    """The contents that have arrived."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256_hex: str) -> Path:
        # The digest becomes a path: anything but a digest must not get that far.
        if not _SHA256_HEX.fullmatch(sha256_hex):
            raise ValueError(f"not a SHA-256 in hex: {sha256_hex!r}")
        return self._folder / sha256_hex[:2] / sha256_hex

    def has(self, sha256_hex: str) -> bool:
        return self.path(sha256_hex).exists()

    def put(self, sha256_hex: str, content: bytes) -> None:
        with self.incoming() as incoming:
            incoming.write(content)
            incoming.keep(sha256_hex)

    def incoming(self) -> "Incoming":
        self._folder.mkdir(parents=True, exist_ok=True)
        return Incoming(self, self._folder)


class Incoming:
    """A blob that is being written; it appears at once and complete, or never."""

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self._blobs = blobs
        self._folder = folder
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def __enter__(self) -> "Incoming":
        handle, name = tempfile.mkstemp(dir=self._folder)
        self._file: IO[bytes] = os.fdopen(handle, "wb")
        self._temporary = Path(name)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._sha256.update(chunk)
        self._md5.update(chunk)

    def keep(self, sha256_hex: str) -> str:
        """Give it its name; the MD5 that an S3 client expects as ETag."""
        if self._sha256.hexdigest() != sha256_hex:
            raise Mismatch(f"announced {sha256_hex}, received {self._sha256.hexdigest()}")
        self._file.close()
        destination = self._blobs.path(sha256_hex)
        destination.parent.mkdir(exist_ok=True)
        self._temporary.replace(destination)
        return self._md5.hexdigest()
