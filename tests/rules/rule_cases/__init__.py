"""Every rule's cases, by what the rules are about."""

from rule_cases import (
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
CASES = [case for topic in TOPICS for case in topic.CASES]
