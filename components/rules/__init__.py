"""The rules of inference: what is known to go wrong with an engine on Modal."""

from components.rules import (
    caches,
    drafts,
    experts,
    exposure,
    flags,
    gpus,
    hybrid,
    memory,
    overlap,
    pinning,
    readiness,
    routing,
    sharing,
    speculative,
)
from infra.rules import Rule

TOPICS = (
    flags,
    speculative,
    drafts,
    overlap,
    hybrid,
    caches,
    sharing,
    readiness,
    gpus,
    experts,
    memory,
    routing,
    pinning,
    exposure,
)
SGLANG: tuple[Rule, ...] = tuple(  # and those of every engine
    sorted((rule for topic in TOPICS for rule in topic.RULES), key=lambda rule: rule.code)
)

__all__ = ["RULES", "SGLANG"]


def __getattr__(name: str) -> tuple[Rule, ...]:
    """``RULES``, all of them: those of vLLM are loaded for services on it only."""
    if name != "RULES":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from components.rules import vllm, vllm_refusals

    found = (*SGLANG, *vllm.RULES, *vllm_refusals.RULES)
    return tuple(sorted(found, key=lambda rule: rule.code))
