"""Modal's published Qwen3-8B service as it stands, faults included."""

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
from infra import App, Stack

server = InferenceService(
    name="qwen3-8b",
    class_name="SGLang",
    model=Model("Qwen/Qwen3-8B-FP8", revision="220b46e3b2180893580a4454f21f22d3ebb187d3"),
    gpu="H100!:2",
    image=(
        ImageSpec.from_registry("lmsysorg/sglang:v0.5.6.post2-cu129-amd64-runtime")
        .entrypoint([])
        .uv_pip_install("huggingface-hub==0.36.0")
    ),
    weights=WeightCache("huggingface-cache"),
    kernels=KernelCache.deep_gemm(
        "deepgemm-cache",
        mount_path="/root/.cache/deepgemm",  # where no version of SGLang looks by itself
        env={"SGLANG_ENABLE_JIT_DEEPGEMM": "1"},  # and nothing tells it to
    ),
    speculative=SpeculativeDecoding.eagle3(
        "Tengyunw/qwen3_8b_eagle3", num_steps=6, eagle_topk=10, num_draft_tokens=32
    ),
    routing=RoutingPolicy(region="us-east", target_inputs=10, exit_grace_period=5),
    engine=SGLang(
        launch=["python", "-m", "sglang.launch_server"],
        cuda_graph_max_bs=20,
        enable_metrics=True,
        decode_log_interval=250,
        mem_fraction_static=0.8,
    ),
    min_containers=0,
)

stack = Stack("seed-001", apps=[App("example-sglang-low-latency", [server])])
