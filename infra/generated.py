"""The folder of generated modules: what `infra synth` writes, compared with what stands there."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from infra.compile import Artifact
from infra.files import write_file
from infra.masking import masked_text


class GeneratedFile(NamedTuple):
    """
    One module and its file.

    Attributes:
        path: Where it belongs.
        before: The text that stands there, or None.
        after: The text that belongs there; None: the App is gone from the stack.
    """

    path: Path
    before: str | None
    after: str | None

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to write."""
        return self.before == self.after

    def diff(self) -> str:
        """What would change, as a unified diff."""
        return unified_diff(self.before or "", self.after or "", str(self.path))


def folder(stack_file: Path, stack: str, out: Path | None = None) -> Path:
    """The folder of a stack's modules: ``generated/<stack>`` beside the stack file."""
    return (out or stack_file.parent / "generated") / stack


def compare(artifacts: Iterable[Artifact], place: Path) -> list[GeneratedFile]:
    """Every file that is there or belongs there, by name."""
    after = {place / f"{each.module}.py": each.source for each in artifacts}
    paths = sorted(set(after) | set(place.glob("*.py")))
    return [GeneratedFile(path=each, before=_read(each), after=after.get(each)) for each in paths]


def write(file: GeneratedFile) -> None:
    """Bring the file up to date."""
    if file.after is None:
        file.path.unlink()
        return
    write_file(file.path, file.after.encode())


def unified_diff(before: str, after: str, name: str) -> str:
    """The lines that differ, with three lines around them, and no secret in them."""
    import difflib  # most runs have nothing to compare

    lines = difflib.unified_diff(
        masked_text(before).splitlines(),
        masked_text(after).splitlines(),
        f"a/{name}",
        f"b/{name}",
        lineterm="",
    )
    return "\n".join(lines)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
