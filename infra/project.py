"""A stack file in, its compiled Apps out: the pure half of every command."""

from pathlib import Path

import attrs

from infra.compile import Artifact, compile_app
from infra.load import load
from infra.local_files import with_contents
from infra.lower import lower
from infra.stack import Stack


@attrs.frozen(kw_only=True)
class Project:
    """
    A stack file as it is now.

    Attributes:
        path: Where it is.
        stack: Its stack.
        artifacts: One per App, in the stack's order.
    """

    path: Path
    stack: Stack
    artifacts: tuple[Artifact, ...]

    @property
    def environment(self) -> str | None:
        """The Modal environment that the stack asks for."""
        return self.stack.environment

    def app_names(self) -> list[str]:
        """The Apps' names."""
        return [artifact.app for artifact in self.artifacts]

    def resource_names(self, kind: str) -> list[str]:
        """Names of all resources of a kind, each once, such as of ``volume``."""
        addresses = (key for each in self.artifacts for key in each.manifest.resources)
        found = (key.partition(".") for key in addresses)
        return list(dict.fromkeys(name for prefix, _, name in found if prefix == kind))


def open_project(path: Path) -> Project:
    """
    Load, lower and compile a stack file.

    Raises:
        InvalidStack: With all of its problems.
    """
    stack = load(path)
    apps = lower(stack, str(path))
    artifacts = tuple(compile_app(with_contents(app, str(path), Path())) for app in apps)
    return Project(path=path, stack=stack, artifacts=artifacts)
