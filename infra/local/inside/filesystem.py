"""
A root folder of the replica's own, put together from bind mounts.

A bind mount needs a place to go, and no place may be made in the host's folders. So every folder
on the way to one is made anew, in a folder of the replica, and what the host has in it is bound
piece by piece. With mounts at /etc/motd and /adapters:

    /            new
    /etc         new; each of its entries but motd is the host's
    /etc/motd    the mount's
    /adapters    the mount's
    /usr, ...    the host's
"""

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

_READ_ONLY = 1  # MS_RDONLY and its kin, of mount(2)
_REMOUNT = 32
_BIND = 4096
_RECURSIVE = 16384
# What statvfs reports of a mount and a remount must say again, by mount(2)'s number of it.
_KEPT_FLAGS = {2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}

_libc = ctypes.CDLL(None, use_errno=True)


class _Place:
    """
    One path of the new root.

    Attributes:
        kind: "host": as the host has it; "folder": the same, but new files may be made in it;
            "empty": without what the host has there; "bind" or "read-only": another folder or
            file; "copy": a file's copy, which may be written to.
        source: Where a bind or a copy comes from.
        mode: A copy's permission bits.
    """

    def __init__(self) -> None:
        self.kind = "host"
        self.source = Path()
        self.mode = 0o644
        self.children: dict[str, _Place] = {}


def enter(root: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Build the tree of these entries in the folder, and make it this process's root."""
    tree = _Place()
    for entry in entries:
        place = tree
        for part in PurePosixPath(entry["path"]).parts[1:]:
            place = place.children.setdefault(part, _Place())
        place.kind = entry["kind"]
        place.source = Path(entry.get("source", ""))
        place.mode = entry.get("mode", place.mode)
    for name in ("dev", "proc", "sys"):
        tree.children.pop(name, None)
    _build(tree, root, Path("/"))
    _mount_proc(root / "proc")
    os.chroot(root)
    os.chdir("/")


def _build(place: _Place, target: Path, host: Path | None) -> None:
    match place.kind:
        case "copy":
            target.unlink(missing_ok=True)
            shutil.copyfile(place.source, target)
            target.chmod(place.mode)
            return
        case "bind" | "read-only":
            _bind(place.source, target, read_only=place.kind == "read-only" and not place.children)
            host = None
        case "empty":
            target.mkdir(exist_ok=True)
            host = None
        case "host" if not place.children and host is not None and host.exists():
            _bind(host, target, read_only=True)
            return
        case _:
            target.mkdir(exist_ok=True)
    if host is not None and host.is_dir():
        for entry in host.iterdir():
            if entry.name not in place.children and entry != Path("/proc"):
                # What this user cannot reach, the replica does not see either.
                with contextlib.suppress(OSError):
                    _take_over(entry, target / entry.name)
    for name, child in place.children.items():
        _build(child, target / name, host / name if host else None)


def _take_over(entry: Path, target: Path) -> None:
    if entry.is_symlink():
        target.symlink_to(entry.readlink())
    elif entry.is_dir() or entry.is_file():
        _bind(entry, target, read_only=entry not in (Path("/dev"), Path("/sys")))


def _bind(source: Path, target: Path, *, read_only: bool) -> None:
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    # Recursive: the kernel refuses to show an unprivileged user what a mount of the host hides.
    _mount(source, target, "", _BIND | _RECURSIVE)
    if read_only:
        reported = os.statvfs(target).f_flag
        kept = sum(number for flag, number in _KEPT_FLAGS.items() if reported & flag)
        _mount(None, target, "", _REMOUNT | _BIND | _READ_ONLY | kept)


def _mount_proc(target: Path) -> None:
    target.mkdir(exist_ok=True)
    try:
        _mount(Path("proc"), target, "proc", 0)
    except OSError:
        # Some container runtimes forbid a new one; the host's shows other process ids.
        _mount(Path("/proc"), target, "", _BIND | _RECURSIVE)


def _mount(source: Path | None, target: Path, kind: str, flags: int) -> None:
    encoded = None if source is None else os.fsencode(source)
    if _libc.mount(encoded, os.fsencode(target), kind.encode(), flags, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source}: {os.strerror(number)}", str(target))
