"""A Volume as a folder that replicas mount: filled from the store, committed to it."""

import fcntl
import functools
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from infra.local import objects, volume_tree
from infra.local.blobs import Blobs
from infra.local.objects import VOLUME
from infra.local.offline import call_in
from infra.local.store import Database
from infra.local.volume_tree import BLOCK_BYTES, File

# What a file was when folder and store last agreed on it: [size, mtime in ns, segments].
_Agreed = dict[str, list[Any]]


def folder(root: Path, volume_id: str) -> Path:
    return root / "volumes" / volume_id


def fill(root: Path, volume_id: str) -> Path:
    """Bring the folder up to what is committed; what replicas wrote meanwhile stays."""
    place = folder(root, volume_id)
    place.mkdir(parents=True, exist_ok=True)
    with _agreement(place) as agreed, closing(Database(root / "state.db")) as database:
        with database.reading() as connection:
            call = call_in(root, connection)
            objects.get(call, VOLUME, volume_id)
            rows = {row["path"]: row for row in volume_tree.below(call, volume_id, "")}
        for path, row in rows.items():
            if row["is_directory"]:
                (place / path).mkdir(parents=True, exist_ok=True)
            elif path not in agreed or agreed[path][2] != json.loads(row["segments"]):
                _write(call.blobs, place / path, volume_tree.content(row))
                agreed[path] = [*_stamp(place / path), json.loads(row["segments"])]
        for path in [path for path in agreed if path not in rows]:
            if (place / path).is_file() and _stamp(place / path) == agreed[path][:2]:
                (place / path).unlink()
            del agreed[path]
    return place


def commit(root: Path, volume_id: str) -> None:
    """Store what replicas wrote and removed."""
    place = folder(root, volume_id)
    with _agreement(place) as agreed, closing(Database(root / "state.db")) as database:
        found = {path.relative_to(place).as_posix(): path for path in _files(place)}
        changed = {
            name: path
            for name, path in found.items()
            if name not in agreed or agreed[name][:2] != _stamp(path)
        }
        removed = [name for name in agreed if name not in found]
        uploads = {
            name: (_stamp(path), _store(Blobs(root / "blobs"), path))
            for name, path in changed.items()
        }
        if not uploads and not removed:
            return
        with database.writing() as connection:
            call = call_in(root, connection)
            objects.get(call, VOLUME, volume_id)
            for name, (_, file) in uploads.items():
                volume_tree.put(call, volume_id, name, file, overwrite=True)
            for name in removed:
                volume_tree.remove(call, volume_id, name)
        for name, (stamp, file) in uploads.items():
            agreed[name] = [*stamp, [list(segment) for segment in file.segments]]
        for name in removed:
            del agreed[name]


@contextmanager
def _agreement(place: Path) -> Iterator[_Agreed]:
    """Held by one process at a time; kept if the block ends well."""
    path = place.with_suffix(".agreed.json")
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        agreed: _Agreed = json.loads(file.read() or "{}")
        yield agreed
        file.truncate(0)
        json.dump(agreed, file)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _files(place: Path) -> Iterator[Path]:
    return (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())


def _write(blobs: Blobs, path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as target:
        for sha256_hex, offset in file.segments:
            with blobs.path(sha256_hex).open("rb") as source:
                source.seek(offset)
                target.write(source.read(BLOCK_BYTES))
    temporary.chmod(file.mode & 0o777)
    temporary.replace(path)


def _store(blobs: Blobs, path: Path) -> File:
    with path.open("rb") as source, blobs.incoming() as incoming:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        if not blobs.has(digest):
            source.seek(0)
            for chunk in iter(functools.partial(source.read, BLOCK_BYTES), b""):
                incoming.write(chunk)
            incoming.keep(digest)
        size = source.tell()
    segments = [(digest, offset) for offset in range(0, size, BLOCK_BYTES)]
    return File(size=size, mode=path.stat().st_mode & 0o777, segments=segments)
