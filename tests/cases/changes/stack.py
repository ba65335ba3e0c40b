"""The service that the typical changes start from."""

from components import ImageSpec, InferenceService, RoutingPolicy, SGLang, WeightCache
from infra import Stack

service = InferenceService(
    name="chat",
    model="Qwen/Qwen3-8B-FP8",
    gpu="H100:2",
    image=ImageSpec.from_registry("lmsysorg/sglang:v0.5.11").entrypoint([]),
    weights=WeightCache("huggingface-cache"),
    routing=RoutingPolicy(region="us-east", target_inputs=10),
    engine=SGLang(mem_fraction_static=0.8),
    min_containers=1,
)

stack = Stack("example-changes", services=[service])
