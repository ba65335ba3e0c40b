"""The content of local files that images are given, so that a changed file is a change."""

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs

from infra.errors import InvalidStack
from infra.resources import AppResources, Image, ImageStep


def with_contents(app: AppResources, source: str, folder: Path) -> AppResources:
    """
    The App with the digest of each file and folder that a step adds.

    Args:
        app: Its resources.
        source: The stack file's name, for the message.
        folder: What relative paths are relative to.

    Raises:
        InvalidStack: Files that are not there.
    """
    problems: list[str] = []

    def digested(image: Image, step: ImageStep) -> ImageStep:
        if not step.method.startswith("add_local_"):
            return step
        path = folder / str(step.args[0])
        if not path.exists():
            problems.append(
                f"{image.name}.image: {step.method}({step.args[0]!r}) names what is not there; "
                "files and folders that exist are allowed; paths are relative to the folder that "
                "infra is run in"
            )
            return step
        return attrs.evolve(step, content=digest(path))

    images = tuple(
        attrs.evolve(
            image,
            steps=tuple(digested(image, step) for step in image.steps),
            files=tuple(digested(image, step) for step in image.files),
        )
        for image in app.images
    )
    if problems:
        raise InvalidStack(source, problems)
    return attrs.evolve(app, images=images)


def digest(path: Path) -> str:
    """
    Of a file's content, or of all names and contents below a folder.

    Whether the owner may run a file is part of it, as it is for git; what else Modal takes of its
    mode depends on the umask of whoever has checked it out, and says nothing to root.
    """
    digest = hashlib.sha256()
    for name, file in _files(path):
        digest.update(f"{name}\0".encode())
        if file.stat().st_mode & stat.S_IXUSR:
            digest.update(b"x\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield "", path
        return
    for each in sorted(path.rglob("*")):
        inner = each.relative_to(path)
        if each.is_file() and "__pycache__" not in inner.parts:
            yield inner.as_posix(), each
