"""A service on vLLM: everything that an engine spells in its own way."""

from components import (
    VLLM,
    EngineArguments,
    ImageSpec,
    InferenceService,
    KernelCache,
    Model,
    RoutingPolicy,
    SpeculativeDecoding,
    WeightCache,
)
from infra import App, Stack

chat = InferenceService(
    name="qwen3-8b",
    model=Model("Qwen/Qwen3-8B-FP8", revision="220b46e3b2180893580a4454f21f22d3ebb187d3"),
    gpu="H100!:2",
    image=ImageSpec.from_registry("vllm/vllm-openai:v0.33.0").entrypoint([]),
    weights=WeightCache("huggingface-cache", download_at_build=True),
    kernels=KernelCache("vllm-cache"),
    speculative=SpeculativeDecoding.eagle3(
        "Tengyunw/qwen3_8b_eagle3",
        draft_model_revision="220b46e3b2180893580a4454f21f22d3ebb187d3",
        num_steps=3,
    ),
    routing=RoutingPolicy(front_door="server", region="us-east", target_inputs=16),
    engine=VLLM(
        gpu_memory_utilization=0.9,
        max_model_len="32K",
        async_scheduling=False,
        compilation_config={"mode": 3, "cudagraph_mode": "FULL_AND_PIECEWISE"},
    ),
    parts=[
        EngineArguments("tools", enable_auto_tool_choice=True, tool_call_parser="hermes", seed=None)
    ],
    startup_timeout=900,
)

stack = Stack("vllm", apps=[App("example-vllm", [chat])])
