"""Who may call a service, what it gives away, and what it costs while nobody calls."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from components.rules.engine import Engine, variables
from infra.facts.models import model_of
from infra.masking import masked, masked_value
from infra.resources import Argument, ImageStep
from infra.rules import Fault, Rule, Subject, rule

SECRETS = "https://modal.com/docs/guide/secrets"


@rule("INF100", severity="error", source=SECRETS)
def secret_in_plain_sight(subject: Subject) -> Iterator[Fault]:
    """
    A secret in an environment variable, on the command line or in a step of the image.

    It stands in the generated module, in the repository and in the image's layers. What infra
    itself shows and records has a mark in its place.
    """
    for name, value in variables(subject.image).items():
        if masked_value(name, value) != value:
            yield Fault(
                field="environment",
                what=f"{name} looks like a secret, and is written in the image",
                fix=f'take it out, and write secrets=["..."] with a Modal Secret that has {name}',
            )
    for flag in _secret_flags(subject.service.arguments):
        yield Fault(
            field="engine",
            what=f"{flag}: its value looks like a secret, and is written in the generated module",
            fix="take it out, and ask for Modal's proxy token with front_door='server'",
        )
    for step in subject.image.steps:
        if step.method != "env" and (shown := _secret_in(step)):
            yield Fault(
                field="image",
                what=f"{step.method}() holds what looks like a secret: {shown}",
                fix='take it out; what secrets=["..."] names is given to containers, and to what '
                "infra has built, such as download_at_build=True",
            )


def _secret_flags(arguments: Iterable[Argument]) -> Iterator[str]:
    """The flags with a secret behind them."""
    for each in arguments:
        if found := _secret_flag(each.flag, each.values):
            yield found


@lru_cache(4096)  # most services of a stack have most of their flags in common
def _secret_flag(flag: str, values: tuple[str, ...]) -> str:
    """The flag if it has a secret behind it, else nothing."""
    is_secret = any(masked_value(flag, value) != value for value in values)
    return flag.partition("=")[0] if is_secret or masked(flag) != flag else ""


def _secret_in(step: ImageStep) -> str | None:
    """The first of a step's words with a secret in it, with a mark in its place."""
    given = step.args
    if step.kwargs:
        given = (*given, *(value for _, value in step.kwargs))
    for each in given:
        for word in (each,) if isinstance(each, str) else each if isinstance(each, list) else ():
            if isinstance(word, str) and (shown := masked(word)) != word:
                return shown
    return None


@rule(
    "INF101",
    severity="warning",
    source="https://huggingface.co/docs/hub/models-gated",
    view=Engine.of,
)
def gated_without_token(engine: Engine) -> Iterator[Fault]:
    """
    A model that the Hub gives only to those who agreed to its terms, without a Secret.

    The download ends with 401, in the first container.
    """
    if engine.service.secrets:
        return
    draft = engine.draft_model
    is_gated = draft and model_of(draft, engine.service.models).is_gated
    for name in (engine.path if engine.model.is_gated else None, draft if is_gated else None):
        if name:
            yield Fault(
                field="weights",
                what=f"{name} is gated, and the service has no Secret",
                fix='write WeightCache(..., secret="huggingface-secret"), which holds HF_TOKEN',
            )


@rule("INF102", severity="warning", source="https://modal.com/docs/guide/servers")
def open_to_everybody(subject: Subject) -> Iterator[Fault]:
    """
    An endpoint that anybody on the internet may call.

    Whoever knows the URL uses your GPUs: each call may start a container, and is billed to you.
    """
    routing = subject.service.routing
    if routing.front_door == "http_server":
        kind, instead = "an http_server asks for no token", "write front_door='server'"
    elif routing.unauthenticated:
        kind, instead = "unauthenticated=True", "take it out"
    else:
        return
    yield Fault(
        field="routing",
        what=f"anybody may call it: {kind}",
        fix=f"{instead}, or accept it with who guards it",
    )


@rule("INF103", severity="info", strict="warning", source="https://modal.com/docs/guide/cold-start")
def nothing_is_warm(subject: Subject) -> Iterator[Fault]:
    """
    A service that people depend on, with no container kept running.

    The first caller after a quiet minute waits for a whole start, and with a server gets 503.
    """
    if subject.is_strict and not subject.service.autoscaler.min_containers:
        yield Fault(
            field="min_containers",
            what="is 0: the first caller waits for a whole start",
            fix="write min_containers=1; the plan has its price as that of one replica",
        )


@rule("INF104", severity="info", source="https://modal.com/pricing")
def warm_for_nobody(subject: Subject) -> Iterator[Fault]:
    """
    Containers that are kept running in a stack that nobody depends on.

    They are billed around the clock, whether or not anybody calls.
    """
    running = subject.service.autoscaler.min_containers
    if running and not subject.is_strict:
        yield Fault(
            field="min_containers",
            what=f"is {running}: billed around the clock, as the floor among the plan's costs",
            fix="write min_containers=0, or strict=True in the stack if people depend on it",
        )


RULES: tuple[Rule, ...] = (
    secret_in_plain_sight,
    gated_without_token,
    open_to_everybody,
    nothing_is_warm,
    warm_for_nobody,
)
