"""What can go wrong, as exceptions that carry every problem and the command's exit code."""

from collections.abc import Iterable


class InfraError(Exception):
    """A failure that is told to the user as text, without a traceback."""

    exit_code = 1


class InvalidStack(InfraError):
    """
    A stack that can't be compiled, with all of its problems at once.

    Attributes:
        source: The stack file, or the stack's name.
        problems: Lines of the form ``where: what is so; what is allowed; what to do``.
    """

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        if count == 1 and self.problems[0].startswith(f"{source}:"):
            super().__init__(self.problems[0])
            return
        lines = [f"{source} has {count} problem{'' if count == 1 else 's'}:"]
        lines += [f"  - {problem}" for problem in self.problems]
        super().__init__("\n".join(lines))


class Conflicts(Exception):
    """
    Parts of one service that can't stand together.

    Attributes:
        problems: Lines as in `InvalidStack`.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class StalePlan(InfraError):
    """A saved plan whose stack file or whose deployment has moved since."""

    exit_code = 11


class TargetError(InfraError):
    """The control plane is not reachable, or it refused a call."""


class UsageError(InfraError):
    """The command line does not say enough to go on."""

    exit_code = 64
