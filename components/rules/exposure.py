"""Who may call a service, what it gives away, and what it costs while nobody calls."""

import re
from collections.abc import Iterator

from components.rules.engine import Engine, gpu_request, variables
from infra.facts.gpus import hours_per_month, list_price, region_multiplier
from infra.rules import Fault, Rule, Subject, rule

SECRETS = "https://modal.com/docs/guide/secrets"
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY|CREDENTIAL")
SECRET_VALUE = re.compile(r"hf_\w{20,}|sk-[\w-]{20,}|ghp_\w{20,}|AKIA[0-9A-Z]{16}|-----BEGIN ")
# Names that only sound like it: numbers of tokens, and where tokens are kept.
NO_SECRET = re.compile(r"TOKENIZER|MAX_TOKENS|NUM_TOKENS|TOKENS$|_PATH$|_FILE$|_DIR$")


@rule("INF100", severity="error", source=SECRETS)
def secret_in_plain_sight(subject: Subject) -> Iterator[Fault]:
    """
    A secret in an environment variable or on the command line.

    It stands in the generated module, in the repository, in the image's layers and in every
    record of a deployment.
    """
    for name, value in variables(subject.image).items():
        named = SECRET_NAME.search(name) and not NO_SECRET.search(name)
        if (named and value) or SECRET_VALUE.search(value):
            yield Fault(
                field="environment",
                what=f"{name} looks like a secret, and is written in the image",
                fix=f'take it out, and write secrets=["..."] with a Modal Secret that has {name}',
            )
    for argument in subject.service.arguments:
        if argument.flag in ("--api-key", "--admin-api-key", "--ssl-keyfile-password"):
            yield Fault(
                field="engine",
                what=f"{argument.flag}: its value is written in the generated module",
                fix="take it out, and ask for Modal's proxy token with front_door='server'",
            )


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
    if engine.model.is_gated and not engine.service.secrets:
        yield Fault(
            field="weights",
            what=f"{engine.service.model} is gated, and the service has no Secret",
            fix='write WeightCache(..., secret="huggingface-secret"), which holds HF_TOKEN',
        )


@rule("INF102", severity="warning", source="https://modal.com/docs/guide/servers")
def open_to_everybody(subject: Subject) -> Iterator[Fault]:
    """
    An endpoint that anybody on the internet may call.

    Whoever knows the URL uses your GPUs: each call may start a container, and is billed to you.
    """
    routing = subject.service.routing
    if routing.front_door == "http_server" or routing.unauthenticated:
        kind = (
            "an http_server asks for no token"
            if not routing.unauthenticated
            else ("unauthenticated=True")
        )
        yield Fault(
            field="routing",
            what=f"anybody may call it: {kind}",
            fix="write RoutingPolicy(front_door='server'), or accept it with who guards it",
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
            fix="write min_containers=1",
        )


@rule("INF104", severity="info", source="https://modal.com/pricing, as of May 2026")
def warm_for_nobody(subject: Subject) -> Iterator[Fault]:
    """
    Containers that are kept running in a stack that nobody depends on.

    They are billed around the clock, whether or not anybody calls.
    """
    service = subject.service
    name, count = gpu_request(service.gpu[0])
    price = list_price(name)
    running = service.autoscaler.min_containers
    if subject.is_strict or not running or price is None:
        return
    hourly = running * count * price * region_multiplier(service.routing.region)
    yield Fault(
        field="min_containers",
        what=f"is {running}: ${hourly:,.2f}/h, ${hourly * hours_per_month():,.0f} a month for GPUs "
        "alone at list prices",
        fix="write min_containers=0, or strict=True in the stack if people depend on it",
    )


RULES: tuple[Rule, ...] = (
    secret_in_plain_sight,
    gated_without_token,
    open_to_everybody,
    nothing_is_warm,
    warm_for_nobody,
)
