"""What a part gives to its service as plain data, merged so that no two parts disagree."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import attrs

from infra.errors import Conflicts
from infra.masking import masked_value
from infra.resources import Argument, BuildCommand, ImageStep, Mount, Pairs, pairs


class ServiceFacts(NamedTuple):
    """
    What a part may ask about the service that it is in.

    Attributes:
        name: The service's name.
        model: The model's repository, such as ``Qwen/Qwen3-8B-FP8``.
        revision: The model's commit, or None.
        gpu: The GPU type asked for first, such as ``H100!``.
        gpu_count: GPUs per container.
        engine_version: The engine's version as the image names it, such as ``0.5.11``, or None.
        target_inputs: Requests per container that the autoscaler aims at, or None.
        engine: The engine as the stack gives it; a part asks it for its spelling of things.
        draft: The repository of a draft model and its commit; None: there is none beside the model.
    """

    name: str
    model: str
    revision: str | None
    gpu: str
    gpu_count: int
    engine_version: str | None
    target_inputs: int | None
    engine: Any
    draft: tuple[str, str | None] | None = None


@attrs.frozen(kw_only=True)
class Contribution:
    """
    What a part adds to its service; every field may be left out.

    Attributes:
        steps: Image steps that come before the environment.
        env: Environment variables of the image.
        env_comment: Why they are there, for the reader of the generated module.
        mounts: Volumes.
        secrets: Names of Modal Secrets.
        arguments: Flags of the engine.
        arguments_comment: Why they are there, for the reader of the generated module.
        builds: Commands that run while the image is built.
    """

    steps: tuple[ImageStep, ...] = ()
    env: Pairs = attrs.field(default=(), converter=pairs)
    env_comment: str = ""
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[str, ...] = ()
    arguments: tuple[Argument, ...] = ()
    arguments_comment: str = ""
    builds: tuple[BuildCommand, ...] = ()


class Part(Protocol):
    """What `InferenceService(parts=[...])` takes; no base class, no registration."""

    def contribution(self, service: ServiceFacts) -> Contribution:
        """What the part adds to the service it is in."""
        ...


def merge(service: str, parts: Mapping[str, Contribution]) -> Contribution:
    """
    All contributions as one, in order; what two parts say alike is kept once.

    Args:
        service: The service's name.
        parts: By the name under which the stack's author knows each, such as ``weights``.

    Raises:
        Conflicts: Two parts set one variable, mount path or flag differently, or mount one Volume
            at two paths, which Modal refuses.
    """
    variables = _Once(f"{service}.environment", "variable")
    paths = _Once(f"{service}.mounts", "path")
    volumes = _Once(f"{service}.mounts", "Volume")
    flags = _Once(f"{service}.engine", "flag")
    steps: list[ImageStep] = []
    arguments: list[Argument] = []
    mounts: list[Mount] = []
    problems = []
    for label, given in parts.items():
        if not isinstance(given, Contribution):
            problems.append(
                f"{service}.{label}: contributes {given!r}; a Contribution is allowed; "
                "return one from its contribution()"
            )
            continue
        for step in given.steps:
            steps.append(step)
            for key, value in _variables(step):
                variables.add(key, value, label)
        fresh = {key: value for key, value in given.env if variables.add(key, value, label)}
        if fresh:
            steps.append(ImageStep(method="env", args=(fresh,), comment=given.env_comment))
        for mount in given.mounts:
            is_new = paths.add(mount.path, mount.volume.name, label)
            if volumes.add(mount.volume.name, mount.path, label) and is_new:
                mounts.append(mount)
        comment = given.arguments_comment
        for argument in given.arguments:
            if flags.add(argument.flag, shlex.join(argument.values), label):
                arguments.append(attrs.evolve(argument, comment=argument.comment or comment))
                comment = ""
    for each in (variables, paths, volumes, flags):
        problems += each.problems
    if problems:
        raise Conflicts(problems)
    return Contribution(
        steps=tuple(steps),
        env=tuple((key, value) for key, (value, _) in variables.seen.items()),
        mounts=tuple(mounts),
        secrets=tuple(dict.fromkeys(name for given in parts.values() for name in given.secrets)),
        arguments=tuple(arguments),
        builds=tuple(build for given in parts.values() for build in given.builds),
    )


def _variables(step: ImageStep) -> Iterable[tuple[str, str]]:
    """What an image's own step sets, which a part must not set differently unseen."""
    match step:
        case ImageStep(method="env", args=(dict() as given,)):
            return given.items()
    return ()


class _Once:
    """Keys that may be given twice only if they are given alike."""

    def __init__(self, where: str, kind: str) -> None:
        self.where, self.kind = where, kind
        self.seen: dict[str, tuple[str, str]] = {}
        self.problems: list[str] = []

    def add(self, key: str, value: str, label: str) -> bool:
        """Whether the key is new; a disagreement is noted."""
        if key not in self.seen:
            self.seen[key] = (value, label)
            return True
        before, first = self.seen[key]
        if before != value:
            one, other = masked_value(key, before), masked_value(key, value)
            self.problems.append(
                f"{self.where}: {self.kind} {key} is set by {first} ({one!r}) and by {label} "
                f"({other!r}); one value is allowed; take one of them out"
            )
        return False
