"""What a person deploys: the parts of a low-latency inference service on Modal."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from components.flags import EngineArguments
from components.image import ImageSpec
from components.kernels import KernelCache
from components.model import Model
from components.routing import RoutingPolicy
from components.service import InferenceService
from components.sglang import SGLang
from components.speculative import SpeculativeDecoding
from components.weights import WeightCache

if TYPE_CHECKING:
    from components.vllm import VLLM
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

# What only some stacks use, so that the others need not load it.
_ON_DEMAND = {"VLLM": "components.vllm", "ModelFacts": "infra.facts.models"}


def __getattr__(name: str) -> Any:
    """What is loaded when it is asked for."""
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ON_DEMAND[name]), name)
