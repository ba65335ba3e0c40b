"""What a person deploys: the parts of a low-latency inference service on Modal."""

from components.image import ImageSpec
from components.kernels import KernelCache
from components.model import Model
from components.routing import RoutingPolicy
from components.service import InferenceService
from components.sglang import EngineArguments, SGLang
from components.speculative import SpeculativeDecoding
from components.weights import WeightCache

__all__ = [
    "EngineArguments",
    "ImageSpec",
    "InferenceService",
    "KernelCache",
    "Model",
    "RoutingPolicy",
    "SGLang",
    "SpeculativeDecoding",
    "WeightCache",
]
