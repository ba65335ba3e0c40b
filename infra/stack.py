"""What a stack file exports: an environment's Apps and the services in them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import attrs

from infra import validators
from infra.resources import Pairs, Resource, pairs, several

if TYPE_CHECKING:
    from infra.rules import Rule

# A rule's code, perhaps with a service.
ACCEPTED = validators.Form(
    rf"[A-Za-z]+[0-9]+( {validators.NAME.pattern})?", "a rule's code, or it with a service's name,"
)
COMPONENT = validators.has_method("resources", example="InferenceService(name=...)")


class Component(Protocol):
    """What an App holds; no base class, no registration."""

    @property
    def name(self) -> str:
        """The component's name, once in a stack."""
        ...

    def resources(self) -> tuple[Resource, ...]:
        """
        What the component consists of in Modal's terms.

        Raises:
            Conflicts: Its parts can't stand together.
        """
        ...


@attrs.frozen
class App:
    """
    What Modal deploys as one unit: a change cycles the containers of all services in it.

    Attributes:
        name: The App's name at Modal.
        services: Its services.
    """

    name: str = attrs.field(validator=validators.text(validators.NAME, example="qwen3-8b"))
    services: tuple[Component, ...] = attrs.field(
        converter=several, validator=validators.each(COMPONENT)
    )

    def problems(self) -> Iterator[str]:
        """What no field can know alone."""
        if self.services == ():
            yield (
                "services: is empty; one service or more is allowed; "
                "add one, or take the App out of the stack"
            )


@attrs.frozen
class Stack:
    """
    An environment: everything that one `infra apply` brings about.

    Attributes:
        name: Such as ``dev`` or ``prod``; the folder of its generated modules.
        apps: Its Apps.
        services: The short form, instead of `apps`: one App, named after the stack.
        environment: The Modal environment; None: the one that the workspace has as its default.
        strict: Whether people depend on it: some findings are then errors that are warnings
            elsewhere.
        accept: By code, why a finding stays: ``{"INF020": "measured: 5 is as good"}``; that of one
            service by its name as well: ``{"INF102 chat": "our gateway guards it"}``.
        rules: Rules of the stack's own, beside those of its components.
    """

    name: str = attrs.field(validator=validators.text(validators.NAME, example="prod"))
    apps: tuple[App, ...] = attrs.field(
        default=(),
        converter=several,
        validator=validators.each(
            validators.instance_of(App, example="[App('chat', [...])], or services=[...]")
        ),
        kw_only=True,
    )
    services: tuple[Component, ...] = attrs.field(
        default=(), converter=several, validator=validators.each(COMPONENT), kw_only=True
    )
    environment: str | None = attrs.field(
        default=None,
        validator=validators.optional(validators.text(validators.NAME, example="main")),
        kw_only=True,
    )

    strict: bool = attrs.field(default=False, validator=validators.truth(), kw_only=True)
    accept: Pairs = attrs.field(
        default=(),
        converter=pairs,
        validator=validators.text_pairs(ACCEPTED, example="INF102 chat"),
        kw_only=True,
    )
    rules: tuple["Rule", ...] = attrs.field(
        default=(),
        converter=several,
        validator=validators.each(
            validators.has_method("findings", example="rules=[rule('MY001', ...)(check)]")
        ),
        kw_only=True,
    )

    def problems(self) -> Iterator[str]:
        """What no field can know alone."""
        for code, reason in self.accept:
            if not reason.strip():
                yield (
                    f"accept: {code} has no reason; a sentence is allowed; write why the finding "
                    "stays"
                )
        if bool(self.apps) == bool(self.services):
            given = "both apps and services are" if self.apps else "neither apps nor services is"
            yield f"apps: {given} given; one of them is allowed; write apps=[App(...)]"

    def all_apps(self) -> tuple[App, ...]:
        """The Apps, whichever form the stack was written in."""
        return self.apps or (App(self.name, self.services),)
