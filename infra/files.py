"""Writes files in one step, so that an interruption leaves the old or the new text whole."""

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from infra.errors import InfraError, UsageError

FULL = (errno.ENOSPC, errno.EDQUOT)  # of which the command line speaks


def write_file(path: Path, content: bytes) -> None:
    """
    Replace the file's content, creating its folders; who may read it stays.

    Several may write at once: the last one's text is there in the end.

    Raises:
        InfraError: It can't be; nothing is left beside it.
    """
    fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("xb") as file:
            with suppress(FileNotFoundError):
                fresh.chmod(stat.S_IMODE(path.stat().st_mode))
            file.write(content)
        fresh.replace(path)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InfraError(
            f"{path}: can't be written ({error.strerror}); a file in a folder that you may write "
            "to is allowed; make room for it there, or work in another folder"
        ) from error
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def check_writable(given: Mapping[str, Path | None]) -> None:
    """
    See that files can be written, before there is anything to write.

    Args:
        given: The paths by their options; None: the option is not given.

    Raises:
        UsageError: With all that can't be.
    """
    wrong = [
        f"{option} {path}: {problem}"
        for option, path in given.items()
        if path and (problem := _problem(path))
    ]
    if wrong:
        raise UsageError("\n".join(wrong))


def _problem(path: Path) -> str:
    """What is so, what is allowed and what to do; or empty."""
    folder = path.parent
    if path.is_dir():
        return (
            f"is a folder; the path of a file is allowed; add the file's name, as {path / 'plan'}"
        )
    if path.exists() and not path.is_file():
        return "is no plain file; a file that may be replaced is allowed; name another"
    if not folder.is_dir():
        return f"there is no folder {folder}; a folder that is there is allowed; create it first"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"nothing may be written to {folder}; a folder of yours is allowed; name another"
    return ""
