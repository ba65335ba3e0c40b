"""What a person deploys: the parts of a low-latency inference service on Modal."""

from typing import TYPE_CHECKING, Any

from components.flags import EngineArguments
from components.image import ImageSpec
from components.kernels import KernelCache
from components.model import Model
from components.routing import RoutingPolicy
from components.service import InferenceService
from components.sglang import SGLang
from components.speculative import SpeculativeDecoding
from components.vllm import VLLM
from components.weights import WeightCache

if TYPE_CHECKING:
    from infra.facts.models import ModelFacts

__all__ = [
    "EngineArguments",
    "ImageSpec",
    "InferenceService",
    "KernelCache",
    "Model",
    "ModelFacts",
    "RoutingPolicy",
    "SGLang",
    "SpeculativeDecoding",
    "VLLM",
    "WeightCache",
]


def __getattr__(name: str) -> Any:
    """`ModelFacts`, which only stacks that give some have to load."""
    if name != "ModelFacts":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from infra.facts.models import ModelFacts

    return ModelFacts
