"""The closed vocabulary that components lower to: what Modal has, as plain frozen values."""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from infra.facts.models import ModelFacts

Plain = str | int | float | bool | None
Pairs = tuple[tuple[str, str], ...]


def pairs(value: Any) -> Any:
    """
    Convert a mapping to a tuple of pairs, in the order given.

    A frozen value must not hold a dict: it could be changed, and it can't be hashed. What is no
    mapping passes unchanged, for the validator to name.
    """
    return tuple(value.items()) if isinstance(value, Mapping) else value


def several(value: Any) -> Any:
    """Convert a list, or one string, to a tuple; what is neither passes unchanged."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


@attrs.frozen(kw_only=True)
class Volume:
    """
    A Modal Volume, created when it is missing and never deleted with an App.

    Attributes:
        name: The Volume's name in its Modal environment.
        version: File system version, 1 or 2; None leaves it to Modal.
    """

    name: str
    version: int | None = None


@attrs.frozen(kw_only=True)
class Secret:
    """
    A Modal Secret that exists already; its values are never read.

    Attributes:
        name: The Secret's name in its Modal environment.
    """

    name: str


@attrs.frozen(kw_only=True)
class ImageStep:
    """
    One call on `modal.Image`.

    Attributes:
        method: The method's name, such as ``uv_pip_install``.
        args: Positional arguments, as plain data.
        kwargs: Keyword arguments, as plain data, in the order they are to be written.
        content: Digest of the local file or folder that the step adds, or empty.
        comment: Why the step is there, for the reader of the generated module.
    """

    method: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = attrs.field(default=(), converter=pairs)
    content: str = ""
    comment: str = attrs.field(default="", eq=False)


@attrs.frozen(kw_only=True)
class Mount:
    """
    A Volume at a path.

    Attributes:
        path: Absolute path in the container.
        volume: The Volume.
    """

    path: str
    volume: Volume


@attrs.frozen(kw_only=True)
class BuildCommand:
    """
    A command that runs once, while the image is built, with the service's GPU and Volumes.

    The build fails when the command does.

    Attributes:
        command: The first words of the command line.
        engine_flags: Flags that are copied from the service's own command line, with their values,
            behind `command`, each under all of its names; one that the service does not set is left
            out, and one that stands there abbreviated, as argparse allows, is copied as well.
        gpu: Whether it needs the service's GPU.
        timeout: Seconds; Modal's own default for `run_function` is 3600.
        comment: Why it is there, for the reader of the generated module.
    """

    command: tuple[str, ...]
    engine_flags: tuple[str, ...] = ()
    gpu: bool = False
    timeout: int | None = None
    comment: str = attrs.field(default="", eq=False)

    def copied(self, arguments: Iterable["Argument"]) -> tuple["Argument", ...]:
        """What of a command line stands behind `command`, in the order of `engine_flags`."""
        found = [(place_of(each.flag, self.engine_flags), each) for each in arguments]
        return tuple(each for place, each in sorted(found, key=itemgetter(0)) if place >= 0)


def place_of(flag: str, names: Sequence[str]) -> int:
    """The place of a flag among full names, though it be abbreviated or have `=value`; or -1."""
    if flag in names:
        return names.index(flag)
    name = flag.partition("=")[0]
    found = (place for place, each in enumerate(names) if each.startswith(name))
    return next(found, -1) if name.strip("-") else -1


@attrs.frozen(kw_only=True)
class Argument:
    """
    One flag of the engine's command line.

    Attributes:
        flag: The full name, such as ``--tp-size``; never an abbreviation.
        values: The words behind it; none for a switch.
        follows: The field that the value is derived from, if it was not given itself.
        comment: Why it is there, for the reader of the generated module.
    """

    flag: str
    values: tuple[str, ...] = ()
    follows: str | None = None
    comment: str = attrs.field(default="", eq=False)


@attrs.frozen(kw_only=True)
class Image:
    """
    A container image, step by step.

    Attributes:
        name: The service that it belongs to.
        steps: What is called on `modal.Image`, in order; the first one constructs it.
        builds: Commands that run while it is built, after the steps, with the service's Volumes.
        files: `add_local_*` steps that Modal mounts when a container starts; they come last.
    """

    name: str
    steps: tuple[ImageStep, ...]
    builds: tuple[BuildCommand, ...] = ()
    files: tuple[ImageStep, ...] = ()


@attrs.frozen(kw_only=True)
class Autoscaler:
    """
    When containers come and go; None leaves a setting to Modal.

    Attributes:
        min_containers: Containers kept running at all times.
        max_containers: Containers; this caps the bill.
        buffer_containers: Idle containers kept beside the busy ones.
        scaleup_window: Seconds of demand before a container is added (`server` front door only).
        scaledown_window: Seconds that an idle container is kept.
    """

    min_containers: int
    max_containers: int | None = None
    buffer_containers: int | None = None
    scaleup_window: int | None = None
    scaledown_window: int | None = None


@attrs.frozen(kw_only=True)
class Routing:
    """
    How requests reach the containers of a service.

    Attributes:
        front_door: ``http_server`` or ``server``.
        region: Where containers run; empty leaves it to Modal.
        proxy_regions: Where Modal's proxies stand; the ``server`` front door has exactly one.
        target_inputs: Requests per container that the autoscaler aims at.
        max_inputs: Requests per container at the most.
        exit_grace_period: Seconds for requests in flight when a container goes.
        unauthenticated: Whether anybody may call it (``server`` front door only).
        session_affinity: Whether clients send `Modal-Session-ID`.
    """

    front_door: Literal["http_server", "server"]
    region: tuple[str, ...] = ()
    proxy_regions: tuple[str, ...]
    target_inputs: int | None = None
    max_inputs: int | None = None
    exit_grace_period: int | None = None
    unauthenticated: bool = False
    session_affinity: bool = True


@attrs.frozen(kw_only=True)
class ModelUse:
    """
    A model that a service loads, for estimates and rules; no part of what is deployed.

    Attributes:
        name: Its repository.
        revision: The commit or branch that is asked for; None: its main branch.
        facts: Its figures, or the path of a file that has them; None: whatever is known of it.
    """

    name: str
    revision: str | None = None
    facts: "ModelFacts | str | None" = None


@attrs.frozen(kw_only=True)
class Service:
    """
    One inference server: a class of the generated module.

    Attributes:
        name: Its name in the stack.
        class_name: The Python class, which Modal puts into the URL.
        model: The name that clients ask for.
        gpu: GPU requests in order of preference, such as ``H100!:2``.
        cpu: Cores; None leaves it to Modal.
        memory: MiB; None leaves it to Modal.
        mounts: Volumes.
        secrets: Names of Modal Secrets.
        entrypoint: The first words of the engine's command line.
        arguments: Its flags, in order.
        port: Port that the engine listens on.
        startup_timeout: Seconds until the engine must be ready; None: Modal's 300.
        warm_up_timeout: Seconds of those for the first requests.
        autoscaler: When containers come and go.
        routing: How requests reach it.
        models: What is known of the models that it loads; not recorded, not deployed.
    """

    name: str
    class_name: str
    model: str
    gpu: tuple[str, ...]
    cpu: float | None = None
    memory: int | None = None
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[str, ...] = ()
    entrypoint: tuple[str, ...]
    arguments: tuple[Argument, ...]
    port: int
    startup_timeout: int | None = None
    warm_up_timeout: int
    autoscaler: Autoscaler
    routing: Routing
    models: tuple[ModelUse, ...] = attrs.field(default=(), eq=False)


Resource = Volume | Secret | Image | Service


def address(resource: Resource) -> str:
    """The resource's name in plans, such as ``service.qwen3-8b``."""
    return f"{type(resource).__name__.lower()}.{resource.name}"


@attrs.frozen(kw_only=True)
class AppResources:
    """
    Everything that one Modal App consists of.

    Attributes:
        stack: The stack's name.
        app: The App's name.
        volumes: Each once, by name.
        secrets: Each once, by name.
        images: One per service, in the services' order.
        services: In the order of the stack file.
    """

    stack: str
    app: str
    volumes: tuple[Volume, ...] = ()
    secrets: tuple[Secret, ...] = ()
    images: tuple[Image, ...] = ()
    services: tuple[Service, ...] = ()

    def all(self) -> tuple[Resource, ...]:
        """Every resource, those first on which others rest."""
        return (*self.volumes, *self.secrets, *self.images, *self.services)
