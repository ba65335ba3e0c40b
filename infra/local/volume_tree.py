"""The tree of files in a Volume: look up, list, write."""

import json
import posixpath
import sqlite3
from collections.abc import Sequence

import attrs
from grpclib import Status

from infra.local.call import Call, invalid, refuse

# The SDK reads files of either Volume version in blocks of this size.
BLOCK_BYTES = 8 * 1024 * 1024

_DIRECTORY_MODE = 0o755


@attrs.frozen(kw_only=True)
class File:
    """
    What a path holds.

    Attributes:
        size: Bytes.
        mode: Permission bits.
        segments: One for each block: (SHA-256 in hex of a content, where in it the block begins).
    """

    size: int
    mode: int
    segments: Sequence[tuple[str, int]]


def clean(path: str) -> str:
    """The one spelling of a path: relative, without `.`; the root is empty."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        invalid(f"path {path!r} leaves the Volume")
    return "/".join(parts)


def entry(call: Call, volume_id: str, path: str) -> sqlite3.Row | None:
    return call.one(
        "SELECT * FROM volume_entries WHERE volume_id = ? AND path = ?", volume_id, path
    )


def children(call: Call, volume_id: str, path: str) -> list[sqlite3.Row]:
    return call.all(
        "SELECT * FROM volume_entries WHERE volume_id = ? AND parent = ? ORDER BY path",
        volume_id,
        path,
    )


def below(call: Call, volume_id: str, path: str) -> list[sqlite3.Row]:
    """All entries below a directory, at any depth."""
    if not path:
        return call.all("SELECT * FROM volume_entries WHERE volume_id = ? ORDER BY path", volume_id)
    # "0" is the character after "/": the range is all that begins with the directory's name.
    return call.all(
        "SELECT * FROM volume_entries WHERE volume_id = ? AND path > ? AND path < ? ORDER BY path",
        volume_id,
        path + "/",
        path + "0",
    )


def content(row: sqlite3.Row) -> File:
    return File(size=row["size"], mode=row["mode"], segments=json.loads(row["segments"]))


def put(call: Call, volume_id: str, path: str, file: File, *, overwrite: bool) -> None:
    """Write a file; its directories are made, but no directory is ever replaced."""
    cleaned = clean(path)
    existing = entry(call, volume_id, cleaned)
    if not cleaned or (existing is not None and existing["is_directory"]):
        refuse(Status.ALREADY_EXISTS, f"{path!r} is a directory")
    if existing is not None and not overwrite:
        refuse(Status.ALREADY_EXISTS, f"{path!r} already exists; overwriting was not asked for")
    make_directories(call, volume_id, posixpath.dirname(cleaned))
    _write(call, volume_id, cleaned, file)


def make_directories(call: Call, volume_id: str, path: str) -> None:
    """The directories from the root down to this path."""
    parts = path.split("/") if path else []
    for count in range(1, len(parts) + 1):
        directory = "/".join(parts[:count])
        existing = entry(call, volume_id, directory)
        if existing is None:
            _write(call, volume_id, directory, None)
        elif not existing["is_directory"]:
            invalid(f"{directory!r} is a file, not a directory")


def remove(call: Call, volume_id: str, path: str) -> None:
    for row in below(call, volume_id, path):
        _delete(call, volume_id, row["path"])
    _delete(call, volume_id, path)


def _delete(call: Call, volume_id: str, path: str) -> None:
    call.do("DELETE FROM volume_entries WHERE volume_id = ? AND path = ?", volume_id, path)


def _write(call: Call, volume_id: str, path: str, file: File | None) -> None:
    call.do(
        "INSERT OR REPLACE INTO volume_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        volume_id,
        path,
        posixpath.dirname(path),
        file is None,
        file.size if file else 0,
        file.mode if file else _DIRECTORY_MODE,
        int(call.now),
        json.dumps(file.segments if file else []),
    )
