"""The rules of inference: what is known to go wrong with a service on SGLang and Modal."""

from components.rules import (
    caches,
    exposure,
    flags,
    gpus,
    hybrid,
    memory,
    pinning,
    readiness,
    routing,
    speculative,
)
from infra.rules import Rule

TOPICS = (
    flags,
    speculative,
    hybrid,
    caches,
    readiness,
    gpus,
    memory,
    routing,
    pinning,
    exposure,
)
RULES: tuple[Rule, ...] = tuple(rule for topic in TOPICS for rule in topic.RULES)

__all__ = ["RULES", "TOPICS"]
