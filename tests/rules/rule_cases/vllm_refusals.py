"""Cases of rules: what vLLM's parser takes and its configuration refuses."""

from typing import Any

from rule_samples import COMMIT, FP8, Case

from components import VLLM, Model, ModelFacts

E5M2 = VLLM(kv_cache_dtype="fp8_e5m2")
MXFP4 = ModelFacts(quantization="mxfp4")
DENSE = ModelFacts(mlp_size=12_288)
SPARSE = ModelFacts(mlp_size=12_288, expert_size=1_536)
DEEPSEEK = ModelFacts(architecture="DeepseekV3ForCausalLM")
LLAMA = ModelFacts(architecture="LlamaForCausalLM")


def told(facts: ModelFacts) -> Model:
    """A model of which nothing else is known."""
    return Model("some/model", revision=COMMIT, facts=facts)


def guessing(method: str, **more: Any) -> dict[str, Any]:
    """Speculative decoding as vLLM's JSON has it."""
    return {"speculative_config": {"method": method, "num_speculative_tokens": 3, **more}}


def with_draft(method: str, **more: Any) -> dict[str, Any]:
    """The same with a pinned draft model."""
    return guessing(method, model="a/draft", revision=COMMIT, **more)


CASES = [
    Case(
        code="INF115",
        bad={"engine": VLLM(enable_auto_tool_choice=True)},
        good={"engine": VLLM(enable_auto_tool_choice=True, tool_call_parser="hermes")},
    ),
    Case(
        code="INF115",
        bad={"engine": VLLM(enable_log_outputs=True)},
        good={"engine": VLLM(enable_log_outputs=True, enable_log_requests=True)},
    ),
    Case(code="INF115", bad={"engine": VLLM(model="Qwen/Qwen3-32B")}, good={"engine": VLLM()}),
    Case(
        code="INF115",
        bad={"engine": VLLM(enable_per_request_metrics=True, disable_log_stats=True)},
        good={"engine": VLLM(enable_per_request_metrics=True)},
        elsewhere="0.24.0",  # which has no such flag
    ),
    *(
        Case(
            code="INF115",
            bad={"engine": VLLM(optimization_level=odd)},
            good={"engine": VLLM(optimization_level=3)},
            elsewhere="0.11.2",
        )
        for odd in ("O3", 7, "nan")
    ),
    Case(
        code="INF115",
        bad={"engine": VLLM(sse_keep_alive_interval=-1)},
        good={"engine": VLLM(sse_keep_alive_interval=0)},
        elsewhere="0.28.0",
    ),
    Case(
        code="INF115",
        bad={"version": "0.11.2", "engine": VLLM(max_model_len=-1)},
        good={"version": "0.11.2", "engine": VLLM(max_model_len=8192)},
        elsewhere="0.14.1",
    ),
    Case(
        code="INF115",
        bad={
            "version": "0.11.2",
            "engine": VLLM(tensor_parallel_size=1, pipeline_parallel_size=2, async_scheduling=True),
        },
        good={
            "version": "0.11.2",
            "engine": VLLM(tensor_parallel_size=1, pipeline_parallel_size=2),
        },
        elsewhere="0.12.0",
    ),
    Case(
        code="INF123",
        bad={
            "engine": VLLM(
                cudagraph_capture_sizes=[16, 32],
                compilation_config={"cudagraph_capture_sizes": [16, 32]},
            )
        },
        good={"engine": VLLM(cudagraph_capture_sizes=[16, 32], compilation_config={"mode": 3})},
    ),
    Case(
        code="INF123",
        bad={
            "engine": VLLM(
                max_cudagraph_capture_size=32, compilation_config={"max_cudagraph_capture_size": 32}
            )
        },
        good={
            "engine": VLLM(
                max_cudagraph_capture_size=32,
                compilation_config={"max_cudagraph_capture_size": None},
            )
        },
    ),
    Case(
        code="INF123",
        bad={"engine": VLLM(spec_method="ngram", **guessing("ngram"))},
        good={"engine": VLLM(spec_method="ngram", spec_tokens=3)},
        elsewhere="0.21.0",
    ),
    Case(
        code="INF124",
        bad={"engine": VLLM(max_num_batched_tokens=64, max_num_seqs=128)},
        good={"engine": VLLM(max_num_batched_tokens=128, max_num_seqs=128)},
    ),
    Case(
        code="INF124",
        bad={
            "engine": VLLM(
                max_num_batched_tokens="2k", max_model_len="4k", enable_chunked_prefill=False
            )
        },
        good={"engine": VLLM(max_num_batched_tokens="2k", max_model_len="4k")},
    ),
    *(
        Case(
            code="INF124",
            bad={"engine": VLLM(**sizes)},
            good={"engine": VLLM(**{**sizes, "max_cudagraph_capture_size": 64})},
        )
        for sizes in (
            {"cudagraph_capture_sizes": [16, 64], "max_cudagraph_capture_size": 32},
            {"cudagraph_capture_sizes": [16, 64], "max_cudagraph_capture_size": 16},
        )
    ),
    Case(
        code="INF124",
        bad={
            "engine": VLLM(
                compilation_config={
                    "cudagraph_mode": "FULL_DECODE_ONLY",
                    "cudagraph_capture_sizes": [16, 64],
                    "max_cudagraph_capture_size": 128,
                }
            )
        },
        good={
            "engine": VLLM(
                compilation_config={
                    "cudagraph_mode": "NONE",
                    "cudagraph_capture_sizes": [16, 64],
                    "max_cudagraph_capture_size": 128,
                }
            )
        },
    ),
    Case(
        code="INF125",
        bad={"engine": VLLM(enable_expert_parallel=True), "model": FP8},
        good={"engine": VLLM(), "model": FP8},
    ),
    Case(
        code="INF125",
        bad={"engine": VLLM(enable_expert_parallel=True), "model": told(DENSE)},
        good={"engine": VLLM(enable_expert_parallel=True), "model": told(SPARSE)},
    ),
    Case(
        code="INF126",
        bad={
            "version": "0.11.2",
            "engine": VLLM(max_model_len=8192),
            "model": FP8,
            "gpu": "T4",
        },
        good={
            "version": "0.12.0",
            "engine": VLLM(max_model_len=8192),
            "model": FP8,
            "gpu": "T4",
        },
        elsewhere="0.15.1",
    ),
    Case(
        code="INF126",
        bad={"engine": VLLM(), "model": told(MXFP4), "gpu": "T4"},
        good={"engine": VLLM(), "model": told(MXFP4), "gpu": "L4"},
    ),
    Case(
        code="INF127",
        bad={"engine": E5M2, "model": FP8, "gpu": "L40S"},
        good={"engine": VLLM(kv_cache_dtype="fp8_e4m3"), "model": FP8, "gpu": "L40S"},
    ),
    Case(
        code="INF127",
        bad={
            "version": "0.15.1",
            "engine": E5M2,
            "model": told(ModelFacts(quantization="compressed-tensors")),
        },
        good={
            "version": "0.15.1",
            "engine": E5M2,
            "model": told(ModelFacts(quantization="gptq")),
        },
        elsewhere="0.33.0",
    ),
    Case(
        code="INF128",
        bad={"engine": VLLM(**with_draft("draft_model", tensor_parallel_size=1))},
        good={"engine": VLLM(**with_draft("draft_model", draft_tensor_parallel_size=2))},
        elsewhere="0.14.1",
    ),
    Case(
        code="INF128",
        bad={"engine": VLLM(**with_draft("eagle3", draft_tensor_parallel_size=4))},
        good={"engine": VLLM(**with_draft("eagle3", draft_tensor_parallel_size=1))},
    ),
    Case(
        code="INF128",
        bad={"engine": VLLM(**guessing("ngram", prompt_lookup_min=5, prompt_lookup_max=2))},
        good={"engine": VLLM(**guessing("ngram", prompt_lookup_min=2, prompt_lookup_max=5))},
    ),
    Case(
        code="INF128",
        bad={
            "version": "0.15.1",
            "engine": VLLM(**with_draft("eagle3")),
            "model": told(DEEPSEEK),
        },
        good={"version": "0.15.1", "engine": VLLM(**with_draft("eagle3")), "model": told(LLAMA)},
        elsewhere="0.33.0",
    ),
    Case(
        code="INF128",
        bad={"version": "0.15.1", "engine": VLLM(async_scheduling=True, **guessing("ngram"))},
        good={"version": "0.15.1", "engine": VLLM(async_scheduling=True, **with_draft("eagle3"))},
        elsewhere="0.33.0",
    ),
]
