"""Services whose estimates are asked for."""

from typing import Any

from components import ImageSpec, InferenceService, Model, ModelFacts, RoutingPolicy, SGLang
from infra import Stack
from infra.estimates import Estimate, MemoryFit
from infra.lower import lower
from infra.rules import Subject, subjects

NEWEST = "0.5.23"
LLAMA_70B = ModelFacts(
    weight_bytes=141_107_412_992,
    layers=80,
    heads=64,
    kv_heads=8,
    head_size=128,
    context_length=131072,
    is_hybrid=False,
)


def image(version: str) -> ImageSpec:
    """SGLang's own image."""
    return ImageSpec.from_registry(f"lmsysorg/sglang:v{version}").entrypoint([])


def service(
    *,
    version: str = NEWEST,
    model: str = "some/model",
    revision: str | None = None,
    facts: ModelFacts | None = None,
    routing: dict[str, Any] | None = None,
    flags: dict[str, Any] | None = None,
    **fields: Any,
) -> InferenceService:
    """A service on SGLang, unless it has another engine."""
    given = {
        "name": "chat",
        "gpu": "H100!",
        "image": image(version),
        "engine": SGLang(**{"cuda_graph_max_bs": None, **(flags or {})}),
        **fields,
    }
    return InferenceService(
        **given,
        model=Model(model, revision=revision, facts=facts),
        routing=RoutingPolicy(**{"front_door": "server", "region": "us-east", **(routing or {})}),
    )


def subject(made: InferenceService, *, is_strict: bool = False) -> Subject:
    """The service as rules see it."""
    (found,) = subjects(lower(Stack("dev", services=[made]), "dev"), is_strict)
    return found


def estimate(**fields: Any) -> Estimate:
    """What is expected of the service with these fields."""
    made = service(**fields)
    return made.estimate(subject(made))


def memory(**fields: Any) -> MemoryFit:
    """What of it is about memory."""
    found = estimate(**fields).memory
    assert found is not None
    return found


def sizes(fit: MemoryFit) -> dict[str, int | None]:
    """Bytes by item."""
    return {item.name: item.bytes for item in fit.items}
