"""A service that no rule finds fault with, and what the rules find when it is changed."""

from collections.abc import Sequence
from typing import Any

import attrs

from components import (
    VLLM,
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
from infra.contribution import Contribution, ServiceFacts
from infra.lower import lower
from infra.resources import Mount, Volume
from infra.rules import Finding, Rule, check

COMMIT = "220b46e3b2180893580a4454f21f22d3ebb187d3"
NEWEST = "0.5.23"
NEWEST_VLLM = "0.33.0"
FP8 = "Qwen/Qwen3-8B-FP8"
NVFP4 = "nvidia/Qwen3-32B-NVFP4"
NEMOTRON = "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"
HYBRID = "Qwen/Qwen3-Next-80B-A3B-Instruct"
EAGLE3 = SpeculativeDecoding.eagle3(
    "Tengyunw/qwen3_8b_eagle3",
    draft_model_revision=COMMIT,
    num_steps=3,
    eagle_topk=1,
    num_draft_tokens=4,
)


@attrs.frozen(kw_only=True)
class Case:
    """
    A fault; the first case of a rule is its example in the documentation.

    Attributes:
        code: The rule that alone finds it.
        bad: What makes the sample faulty.
        good: What is as near to that as can be, and right.
        beside: What another service of the same stack has in place of the sample's own; None:
            there is no other.
        elsewhere: The same fault with another release, where the rule is silent; None: there is
            no such release.
        strict: Whether it takes a strict stack to be a fault.
    """

    code: str
    bad: dict[str, Any]
    good: dict[str, Any] = attrs.field(factory=dict)
    beside: dict[str, Any] | None = None
    elsewhere: str | None = None
    strict: bool = False

    @property
    def engine(self) -> str:
        """The engine of the sample, as the catalogues have it."""
        return "vllm" if isinstance(self.bad.get("engine"), VLLM) else "sglang"

    def found(self, fields: dict[str, Any]) -> tuple[Finding, ...]:
        """What is found in the sample with these fields."""
        others = [] if self.beside is None else [sample(**{"name": "other", **self.beside})]
        return findings(sample(**fields), *others, is_strict=self.strict)


@attrs.frozen
class Mounted:
    """A part of a stack's author: a Volume, and nothing that points at it."""

    volume: str
    path: str

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The mount."""
        return Contribution(mounts=(Mount(path=self.path, volume=Volume(name=self.volume)),))


def image(version: str = NEWEST, suffix: str = "") -> ImageSpec:
    """SGLang's own image, made ready for a Volume."""
    return (
        ImageSpec.from_registry(f"lmsysorg/sglang:v{version}{suffix}")
        .entrypoint([])
        .run_commands("rm -rf /root/.cache/huggingface")
    )


def vllm_image(version: str = NEWEST_VLLM) -> ImageSpec:
    """The image that vLLM's makers publish."""
    return ImageSpec.from_registry(f"vllm/vllm-openai:v{version}").entrypoint([])


def sample(
    *,
    version: str | None = None,
    model: str | Model = "Qwen/Qwen3-14B",
    revision: str | None = COMMIT,
    flags: dict[str, Any] | None = None,
    routing: dict[str, Any] | None = None,
    **fields: Any,
) -> InferenceService:
    """The service, with what is given in place of its own; on vLLM if that is its engine."""
    is_vllm = isinstance(fields.get("engine"), VLLM)
    asked = {"front_door": "server", "region": "us-east", "target_inputs": 10, **(routing or {})}
    given: dict[str, Any] = {
        "name": "sample",
        "model": model if isinstance(model, Model) else Model(model, revision=revision),
        "gpu": "H100!:2",
        "image": vllm_image(version or NEWEST_VLLM) if is_vllm else image(version or NEWEST),
        "engine": SGLang(**{"cuda_graph_max_bs": None, **(flags or {})}),
        "weights": WeightCache("huggingface-cache", secret="huggingface-secret"),
        "startup_timeout": 1800,
        **({"kernels": KernelCache("vllm-cache")} if is_vllm else {}),
        **fields,
    }
    return InferenceService(routing=RoutingPolicy(**asked), **given)


def findings(
    *services: InferenceService, rules: Sequence[Rule] = RULES, is_strict: bool = False
) -> tuple[Finding, ...]:
    """What the rules find in a stack of these services."""
    apps = lower(Stack("test", apps=[App("app", list(services))]), "test")
    return check(apps, rules, accept={}, is_strict=is_strict).findings


def codes(service: InferenceService, *, is_strict: bool = False) -> set[str]:
    """The codes of what is found."""
    return {each.code for each in findings(service, is_strict=is_strict)}


def kernels(**fields: Any) -> KernelCache:
    """A Volume for DeepGEMM's kernels, where SGLang is told to look."""
    return KernelCache.deep_gemm("deepgemm-cache", **fields)


def speculative(algorithm: str = "EAGLE3", **fields: Any) -> SpeculativeDecoding:
    """Speculative decoding with a pinned draft."""
    draft = {"draft_model_path": "a/draft", "draft_model_revision": COMMIT}
    return SpeculativeDecoding(algorithm, **{**draft, **fields})
