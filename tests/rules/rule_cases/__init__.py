"""Every rule's cases, by what the rules are about."""

from rule_cases import (
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
    vllm_refusals,
)

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
    vllm_refusals,
)
CASES = [case for topic in TOPICS for case in topic.CASES]
