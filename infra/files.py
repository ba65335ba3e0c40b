"""Writes files in one step, so that an interruption leaves the old or the new text whole."""

from pathlib import Path


def write_file(path: Path, content: bytes) -> None:
    """Replace the file's content, creating its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
