"""The services, as every environment has them; what differs between environments is an argument."""

from components import (
    EngineArguments,
    ImageSpec,
    InferenceService,
    KernelCache,
    Model,
    RoutingPolicy,
    SGLang,
    SpeculativeDecoding,
    WeightCache,
)
from infra import App

MINUTES = 60  # seconds

# What the rules find here (`infra plan` lists it), and why it stays.
UNPINNED = "as published; the commit is to be written here by whoever has looked at it"
ACCEPTED = {
    "INF052": "as published: the first start downloads the weights",
    "INF070": "as published; nobody has measured it here",
    "INF091": UNPINNED,
    "INF094": UNPINNED,
    "INF102": "as published: open to anybody; front_door='server' would ask for a token",
}

WEIGHTS = WeightCache("huggingface-cache", secret="huggingface-secret")


def apps(*, suffix: str = "", min_containers: int) -> list[App]:
    """One App per service: a change to an App cycles the containers of all services in it."""
    return [
        App(f"qwen3-8b{suffix}", [qwen3(min_containers=min_containers)]),
        App(f"nemotron-3-ultra{suffix}", [nemotron(min_containers=min_containers)]),
    ]


def qwen3(*, min_containers: int) -> InferenceService:
    """Qwen3-8B in FP8 on two H100s, with DeepGEMM kernels and an EAGLE-3 draft model."""
    return InferenceService(
        name="qwen3-8b",
        model=Model("Qwen/Qwen3-8B-FP8", revision="220b46e3b2180893580a4454f21f22d3ebb187d3"),
        gpu="H100!:2",
        image=(
            ImageSpec.from_registry("lmsysorg/sglang:v0.5.6.post2-cu129-amd64-runtime")
            .entrypoint([])
            .run_commands("rm -rf /root/.cache/huggingface")
            .uv_pip_install("huggingface-hub==0.36.0")
        ),
        weights=WEIGHTS,
        kernels=KernelCache.deep_gemm("deepgemm-cache"),
        speculative=SpeculativeDecoding.eagle3(
            "Tengyunw/qwen3_8b_eagle3", num_steps=6, eagle_topk=10, num_draft_tokens=32
        ),
        routing=RoutingPolicy(region="us-east", target_inputs=10, exit_grace_period=15),
        engine=SGLang(mem_fraction_static=0.8, enable_metrics=True, decode_log_interval=250),
        startup_timeout=15 * MINUTES,
        min_containers=min_containers,
    )


def nemotron(*, min_containers: int) -> InferenceService:
    """Nemotron 3 Ultra in NVFP4 on four B200s, with its own multi-token prediction."""
    return InferenceService(
        name="nemotron-3-ultra",
        model="nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4",
        gpu="B200:4",
        image=(
            ImageSpec.from_registry("lmsysorg/sglang:v0.5.11")
            .entrypoint([])
            .run_commands("rm -rf /root/.cache/huggingface")
        ),
        weights=WEIGHTS,
        speculative=SpeculativeDecoding.mtp(num_steps=5, eagle_topk=1, num_draft_tokens=6),
        routing=RoutingPolicy(
            region="us-west",
            target_inputs=16,
            exit_grace_period=15,
            session_affinity=False,  # with the radix cache off there is nothing to come back to
        ),
        engine=SGLang(
            enable_metrics=True,
            decode_log_interval=10,
            trust_remote_code=True,
            tool_call_parser="qwen3_coder",
            reasoning_parser="nemotron_3",
            context_length=262144,
            mem_fraction_static=0.85,
            chunked_prefill_size=32768,
            disable_radix_cache=True,
            kv_cache_dtype="fp8_e4m3",
        ),
        parts=[
            EngineArguments(
                "kernels for NVFP4 on Blackwell",
                fp8_gemm_backend="triton",
                fp4_gemm_backend="flashinfer_trtllm",
                moe_runner_backend="flashinfer_trtllm",
            )
        ],
        environment={
            "SAFETENSORS_FAST_GPU": "1",
            "NVIDIA_TF32_OVERRIDE": "1",
            "SGLANG_ENABLE_JIT_DEEPGEMM": "0",
        },
        startup_timeout=120 * MINUTES,
        min_containers=min_containers,
    )
