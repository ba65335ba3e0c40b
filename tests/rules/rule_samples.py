"""A service that no rule finds fault with, and what the rules find when it is changed."""

from collections.abc import Sequence
from typing import Any

from components import (
    ImageSpec,
    InferenceService,
    KernelCache,
    Model,
    RoutingPolicy,
    SGLang,
    SpeculativeDecoding,
    WeightCache,
)
from components.rules import RULES
from infra import App, Stack
from infra.lower import lower
from infra.rules import Finding, Rule, check

COMMIT = "220b46e3b2180893580a4454f21f22d3ebb187d3"
NEWEST = "0.5.23"
EAGLE3 = SpeculativeDecoding.eagle3(
    "Tengyunw/qwen3_8b_eagle3",
    draft_model_revision=COMMIT,
    num_steps=3,
    eagle_topk=1,
    num_draft_tokens=4,
)


def image(version: str = NEWEST, suffix: str = "") -> ImageSpec:
    """SGLang's own image, made ready for a Volume."""
    return (
        ImageSpec.from_registry(f"lmsysorg/sglang:v{version}{suffix}")
        .entrypoint([])
        .run_commands("rm -rf /root/.cache/huggingface")
    )


def sample(
    *,
    version: str = NEWEST,
    model: str = "Qwen/Qwen3-32B",
    revision: str | None = COMMIT,
    flags: dict[str, Any] | None = None,
    routing: dict[str, Any] | None = None,
    **fields: Any,
) -> InferenceService:
    """The service, with what is given in place of its own."""
    asked = {"front_door": "server", "region": "us-east", "target_inputs": 10, **(routing or {})}
    given: dict[str, Any] = {
        "name": "sample",
        "model": Model(model, revision=revision),
        "gpu": "H100!:2",
        "image": image(version),
        "weights": WeightCache("huggingface-cache", secret="huggingface-secret"),
        "startup_timeout": 1800,
        **fields,
    }
    return InferenceService(
        engine=SGLang(**{"cuda_graph_max_bs": None, **(flags or {})}),
        routing=RoutingPolicy(**asked),
        **given,
    )


def findings(
    service: InferenceService, *, rules: Sequence[Rule] = RULES, is_strict: bool = False
) -> tuple[Finding, ...]:
    """What the rules find in a stack of the one service."""
    apps = lower(Stack("test", apps=[App("app", [service])]), "test")
    return check(apps, rules, accept={}, is_strict=is_strict).findings


def codes(service: InferenceService, *, is_strict: bool = False) -> set[str]:
    """The codes of what is found."""
    return {each.code for each in findings(service, is_strict=is_strict)}


def kernels(**fields: Any) -> KernelCache:
    """A Volume for DeepGEMM's kernels, where SGLang is told to look."""
    return KernelCache.deep_gemm("deepgemm-cache", **fields)
