"""Which files a replica sees, as entries of `infra.local.inside.filesystem`."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import infra
from infra.local.blueprints import Blueprint

# Where Modal keeps what belongs to the container and not to the module.
OWN = Path("/__modal")
HOME = Path("/root")

_EMPTY = ("/home", "/mnt", "/media", "/run", "/tmp", "/var/tmp", str(HOME))
_PACKAGES = ("site-packages", "dist-packages")

Entry = dict[str, Any]


def visible_files(
    blueprint: Blueprint,
    *,
    own: Path,
    programs: Path,
    uploads: Iterable[tuple[Path, Path, int]],
    volumes: Iterable[tuple[Path, Path, bool]],
    hidden: Iterable[Path],
) -> list[Entry]:
    """
    The entries, each after those that it lies in.

    Args:
        blueprint: Says where its processes start.
        own: The replica's own folder, with its sockets.
        programs: What a replica finds on its PATH first.
        uploads: (where it goes, content, mode).
        volumes: (where it goes, folder, whether it is read-only).
        hidden: Folders of this machine that no replica has business with.
    """
    entries: dict[Path, Entry] = {}
    for folder in (*map(Path, _EMPTY), *hidden):
        for spelling in {folder, folder.resolve()}:
            entries[spelling] = {"kind": "empty"}
    for folder in (*_interpreter(), programs):
        entries[folder] = {"kind": "read-only", "source": str(folder)}
    for path, content, mode in uploads:
        entries[path] = {"kind": "copy", "source": str(content), "mode": mode}
    if blueprint.recipe.folder:
        entries.setdefault(Path(blueprint.recipe.folder), {"kind": "folder"})
    for path, folder, is_read_only in volumes:
        kind = "read-only" if is_read_only else "bind"
        entries[path] = {"kind": kind, "source": str(folder)}
    entries[OWN] = {"kind": "bind", "source": str(own)}
    return [{"path": str(path), **entries[path]} for path in sorted(entries)]


def package_folders() -> list[str]:
    """Where this process finds what is installed, in its order."""
    return [entry for entry in sys.path if Path(entry).name in _PACKAGES]


def _interpreter() -> Iterator[Path]:
    """What Python, the SDK and the stand-in are loaded from, wherever on this machine that is."""
    found = [Path(sys.prefix), Path(sys.base_prefix), Path(infra.__file__).parent]
    found += map(Path, package_folders())
    spellings = {spelling for path in found for spelling in (path.absolute(), path.resolve())}
    for path in sorted(spellings):
        inside_another = any(other in path.parents for other in spellings)
        if path.is_dir() and not inside_another and not _is_always_there(path):
            yield path


def _is_always_there(path: Path) -> bool:
    return path.parts[:2] == ("/", "usr") or os.fspath(path) == "/"
