"""The rules of inference: what is known to go wrong with an engine on Modal."""

from components.rules import (
    caches,
    drafts,
    exposure,
    flags,
    gpus,
    hybrid,
    memory,
    pinning,
    readiness,
    routing,
    sharing,
    speculative,
    vllm,
)
from infra.rules import Rule

TOPICS = (
    flags,
    speculative,
    drafts,
    hybrid,
    caches,
    sharing,
    readiness,
    gpus,
    memory,
    routing,
    pinning,
    exposure,
    vllm,
)
RULES: tuple[Rule, ...] = tuple(rule for topic in TOPICS for rule in topic.RULES)

__all__ = ["RULES", "TOPICS"]
