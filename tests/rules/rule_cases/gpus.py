"""Cases of rules: GPUs that can't run what is asked of them."""

from rule_samples import FP8, NVFP4, Case, image

from components import VLLM, ImageSpec

PLAIN = "Qwen/Qwen3-32B"  # in 16 bits

CUDA_12 = ImageSpec.from_registry(
    "nvidia/cuda:12.8.0-devel-ubuntu22.04", add_python="3.12"
).uv_pip_install("sglang==0.5.11")

CASES = [
    Case(code="INF060", bad={"gpu": "H1000:2"}, good={"gpu": "h100:2"}),
    Case(code="INF060", bad={"gpu": "A10:8"}, good={"gpu": "A10:4"}),
    Case(
        code="INF061",
        bad={"flags": {"dp_size": 2}},
        good={"flags": {"dp_size": 2, "enable_dp_attention": True}, "version": "0.5.21"},
    ),
    Case(
        code="INF061",
        bad={"gpu": "H100!:4", "flags": {"pp_size": 2}},
        good={"gpu": "H100!:4", "flags": {"tp_size": 2, "pp_size": 2}},
    ),
    Case(
        code="INF062",
        bad={"model": NVFP4, "version": "0.5.12.post1"},
        good={"model": NVFP4, "version": "0.5.12.post1", "gpu": "B200:2"},
    ),
    Case(
        code="INF062",
        bad={"model": FP8, "gpu": "A100-80GB:2"},
        good={"model": FP8, "gpu": "L40S:2"},
    ),
    Case(
        code="INF062",
        bad={"model": FP8, "gpu": ["L40S:2", "A100-80GB:2"]},
        good={"model": FP8, "gpu": ["L40S:2", "L4:2"]},
    ),
    Case(
        code="INF062",
        bad={"model": NVFP4, "gpu": "T4:2"},
        good={"model": NVFP4, "gpu": "B200:2"},
    ),
    Case(
        code="INF062",
        bad={
            "version": "0.5.21",
            "model": "RedHatAI/Qwen3-32B-NVFP4",
            "flags": {"quantization": "compressed-tensors"},
        },
        good={
            "version": "0.5.21",
            "model": "RedHatAI/Qwen3-32B-NVFP4A16",
            "flags": {"quantization": "compressed-tensors"},
        },
    ),
    Case(
        code="INF063",
        bad={"flags": {"attention_backend": "fa3"}, "gpu": "B200:2"},
        good={"flags": {"attention_backend": "fa3"}},
    ),
    Case(
        code="INF063",
        bad={"version": "0.5.9", "flags": {"decode_attention_backend": "trtllm_mha"}},
        good={"version": "0.5.10.post1", "flags": {"decode_attention_backend": "trtllm_mha"}},
        elsewhere="0.5.11",
    ),
    Case(
        code="INF063",
        bad={"version": "0.5.18", "flags": {"attention_backend": "trtllm_mha"}},
        good={
            "version": "0.5.18",
            "flags": {"attention_backend": "trtllm_mha", "prefill_attention_backend": "fa3"},
        },
        elsewhere="0.5.19",
    ),
    Case(
        code="INF063",
        bad={"version": "0.5.18", "flags": {"prefill_attention_backend": "trtllm_mha"}},
        good={"version": "0.5.19", "flags": {"prefill_attention_backend": "trtllm_mha"}},
        elsewhere="0.5.19",
    ),
    Case(
        code="INF063",
        bad={
            "model": FP8,
            "flags": {"fp8_gemm_backend": "deep_gemm"},
            "environment": {"SGLANG_ENABLE_JIT_DEEPGEMM": "0"},
        },
        good={
            "model": FP8,
            "flags": {"fp8_gemm_backend": "triton"},
            "environment": {"SGLANG_ENABLE_JIT_DEEPGEMM": "0"},
        },
    ),
    Case(
        code="INF065",
        bad={"gpu": "B200+:2", "image": image(suffix="-cu129")},
        good={"gpu": "B200+:2", "image": image(suffix="-cu131")},
    ),
    Case(
        code="INF065",
        bad={"version": "0.5.9", "gpu": "B200+:2"},
        good={"version": "0.5.9", "gpu": "B200:2"},
        elsewhere="0.5.11",
    ),
    Case(
        code="INF065",
        bad={"gpu": "B300:2", "image": CUDA_12},
        good={"gpu": "B200:2", "image": CUDA_12},
    ),
    Case(
        code="INF059",
        bad={"model": PLAIN, "flags": {"quantization": "awq"}},
        good={"model": PLAIN, "flags": {"quantization": "fp8"}},
    ),
    Case(
        code="INF059",
        bad={"model": PLAIN, "engine": VLLM(quantization="gptq")},
        good={"model": "me/Qwen3-32B-GPTQ-Int4", "engine": VLLM(quantization="gptq")},
    ),
    Case(
        code="INF066",
        bad={"gpu": "H100:2", "flags": {"max_total_tokens": 100000}},
        good={"gpu": "H100!:2", "flags": {"max_total_tokens": 100000}},
    ),
    Case(
        code="INF068",
        bad={
            "version": "0.5.21",
            "gpu": "H200:8",
            "flags": {"dp_size": 3, "enable_dp_attention": True},
        },
        good={
            "version": "0.5.21",
            "gpu": "H200:8",
            "flags": {"dp_size": 4, "enable_dp_attention": True},
        },
    ),
    Case(
        code="INF068",
        bad={"gpu": "H100!:4", "flags": {"attn_dp_size": 3}},
        good={"gpu": "H100!:4", "flags": {"attn_dp_size": 2}},
        elsewhere="0.5.21",
    ),
    Case(
        code="INF069",
        bad={"gpu": "H100!:4", "flags": {"nnodes": 3}},
        good={"gpu": "H100!:4", "flags": {"nnodes": 1}},
    ),
]
