"""The folders of one replica, made before it and removed after it."""

import contextlib
import shutil
from pathlib import Path

import attrs

from infra.local.visible_files import HOME, OWN


@attrs.frozen(kw_only=True)
class Folders:
    """
    Where one replica keeps what.

    Attributes:
        scratch: All but its sockets; removed with it.
        own: Its sockets; a path short enough for one.
        is_isolated: Whether it has a root folder of its own.
    """

    scratch: Path
    own: Path
    is_isolated: bool

    @property
    def socket(self) -> Path:
        return self.own / "http"

    @property
    def plane(self) -> Path:
        return self.own / "plane"

    @property
    def arguments(self) -> Path:
        return self.own / "arguments"

    def seen(self, path: Path) -> Path:
        """What the replica calls a path of its own folder."""
        return OWN / path.name if self.is_isolated else path

    @property
    def home(self) -> Path:
        return HOME if self.is_isolated else self.scratch / "root"

    def make(self) -> None:
        self.scratch.mkdir(parents=True)
        self.own.mkdir(mode=0o700)

    def remove(self) -> None:
        """All of it; what was mounted in it was so only for the replica's own processes."""
        for folder in (self.scratch, self.own):
            with contextlib.suppress(FileNotFoundError):
                try:
                    shutil.rmtree(folder)
                except PermissionError:
                    _let_in(folder)
                    shutil.rmtree(folder)


def _let_in(folder: Path) -> None:
    """A module may have made a folder that not even its owner can empty."""
    folder.chmod(0o700)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            _let_in(entry)
