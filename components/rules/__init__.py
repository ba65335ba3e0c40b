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
    vllm,
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
    vllm,
)
RULES: tuple[Rule, ...] = tuple(
    sorted((rule for topic in TOPICS for rule in topic.RULES), key=lambda rule: rule.code)
)

__all__ = ["RULES", "TOPICS"]
