"""Modal's published Nemotron 3 Ultra service as it stands, faults included."""

from components import (
    EngineArguments,
    ImageSpec,
    InferenceService,
    RoutingPolicy,
    SGLang,
    SpeculativeDecoding,
    WeightCache,
)
from infra import App, Stack

MINUTES = 60  # seconds

server = InferenceService(
    name="nemotron",
    class_name="Server",
    model="nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4",  # no revision
    gpu="B200:4",
    image=(
        ImageSpec.from_registry("lmsysorg/sglang:v0.5.11")
        .entrypoint([])
        .run_commands("rm -rf /root/.cache/huggingface")
    ),
    weights=WeightCache("huggingface-cache", secret="huggingface-secret"),
    speculative=SpeculativeDecoding.mtp(num_steps=5, eagle_topk=1, num_draft_tokens=5),
    routing=RoutingPolicy(
        region="us", proxy_regions=["us-west"], target_inputs=16, exit_grace_period=15
    ),
    engine=SGLang(
        cuda_graph_max_bs=32,
        enable_metrics=True,
        decode_log_interval=10,
        trust_remote_code=True,
        tool_call_parser="qwen3_coder",
        reasoning_parser="nemotron_3",
    ),
    parts=[
        EngineArguments(
            "the official recipe and some benchmarking",
            ep_size=1,
            context_length=262144,
            mem_fraction_static=0.85,
            chunked_prefill_size=32768,
            fp8_gemm_backend="triton",
            fp4_gemm_backend="flashinfer_trtllm",
            moe_runner_backend="flashinfer_trtllm",
            disable_radix_cache=True,
            disable_piecewise_cuda_graph=True,
            kv_cache_dtype="fp8_e4m3",
        )
    ],
    environment={
        "SAFETENSORS_FAST_GPU": "1",
        "NVIDIA_TF32_OVERRIDE": "1",
        "SGLANG_ENABLE_JIT_DEEPGEMM": "0",
        "SGLANG_ENABLE_SPEC_V2": "1",
    },
    min_containers=0,
    startup_timeout=120 * MINUTES,
)

stack = Stack("seed-000", apps=[App("example-nemotron-inference", [server])])
