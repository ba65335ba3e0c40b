"""Cases of rules: GPUs that can't run what is asked of them."""

from rule_samples import FP8, NVFP4, Case, image, kernels

EXPERTS = "Qwen/Qwen3-235B-A22B-FP8"

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
    Case(code="INF064", bad={"flags": {"ep_size": 4}}, good={"flags": {"ep_size": 2}}),
    Case(
        code="INF065",
        bad={"gpu": "B200+:2", "image": image(suffix="-cu129")},
        good={"gpu": "B200+:2", "image": image(suffix="-cu131")},
    ),
    Case(
        code="INF066",
        bad={"gpu": "H100:2", "flags": {"max_total_tokens": 100000}},
        good={"gpu": "H100!:2", "flags": {"max_total_tokens": 100000}},
    ),
    Case(
        code="INF067",
        bad={"model": EXPERTS, "gpu": "H200:8", "kernels": kernels()},
        good={"model": EXPERTS, "gpu": "H200:4", "kernels": kernels()},
    ),
    Case(
        code="INF067",
        bad={"model": EXPERTS, "gpu": "H200:8", "kernels": kernels(), "flags": {"ep_size": 1}},
        good={"model": EXPERTS, "gpu": "H200:8", "kernels": kernels(), "flags": {"ep_size": 8}},
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
]
