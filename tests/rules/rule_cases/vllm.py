"""Cases of rules: vLLM, where it differs, and where the rules of all engines hold for it."""

from typing import Any

from rule_samples import COMMIT, FP8, HYBRID, Case, Mounted

from components import VLLM, ImageSpec, KernelCache, SpeculativeDecoding

MTP = SpeculativeDecoding.mtp(num_steps=2)
EAGLE3 = SpeculativeDecoding.eagle3("a/draft", draft_model_revision=COMMIT, num_steps=3)
PIP = ImageSpec.from_registry(
    "nvidia/cuda:12.8.1-devel-ubuntu22.04", add_python="3.12"
).uv_pip_install("vllm==0.33.0")
PLAIN = {"engine": VLLM()}
MODEL = "Qwen/Qwen3-8B"
OLD = {"version": "0.11.2", "model": MODEL}
SMALL_GRAPHS = '{"max_cudagraph_capture_size": 1k}'


def _draft(name: str) -> dict[str, Any]:
    """Speculative decoding without a method, which vLLM finds out by itself."""
    return {"model": name, "revision": COMMIT, "num_speculative_tokens": 3}


CASES = [
    Case(
        code="INF110",
        bad={"engine": VLLM(gpu_memory_utilization=1.5)},
        good={"engine": VLLM(gpu_memory_utilization=0.9)},
    ),
    Case(
        code="INF110",
        bad={"engine": VLLM(gpu_memory_utilization=0.98)},
        good={"engine": VLLM(gpu_memory_utilization=0.95)},
    ),
    Case(
        code="INF110",
        bad={"engine": VLLM(gpu_memory_utilization=0.3)},
        good={"engine": VLLM(gpu_memory_utilization=0.3, kv_cache_memory_bytes="20G")},
    ),
    Case(
        code="INF111",
        bad={**PLAIN, "kernels": None, "parts": [Mounted("vllm-cache", "/cache")]},
        good={**PLAIN, "kernels": None, "parts": [Mounted("vllm-cache", "/root/.cache/vllm")]},
    ),
    Case(
        code="INF111",
        bad={
            **PLAIN,
            "kernels": KernelCache("vllm-cache", caches=["vllm"]),
            "environment": {"VLLM_DISABLE_COMPILE_CACHE": "1"},
        },
        good={**PLAIN, "environment": {"VLLM_DISABLE_COMPILE_CACHE": "1"}},
    ),
    Case(
        code="INF112",
        bad={**PLAIN, "kernels": None},
        good={"engine": VLLM(enforce_eager=True), "kernels": None},
    ),
    *(
        Case(code="INF112", bad={**PLAIN, "kernels": None}, good={**given, "kernels": None})
        for given in (
            {"engine": VLLM(optimization_level=0)},
            {"engine": VLLM(compilation_config={"mode": 0})},
        )
    ),
    Case(
        code="INF112",
        bad={**PLAIN, "kernels": KernelCache("cache", caches=["triton"])},
        good={**PLAIN, "kernels": KernelCache("cache", caches=["vllm"])},
    ),
    Case(
        code="INF113",
        bad={
            **PLAIN,
            "speculative": SpeculativeDecoding(
                "MEDUSA", draft_model_path="a/draft", draft_model_revision=COMMIT, num_steps=3
            ),
        },
        good={**PLAIN, "speculative": EAGLE3},
        elsewhere="0.32.0",
    ),
    Case(
        code="INF113",
        bad={**PLAIN, "speculative": SpeculativeDecoding("EAGLE3", num_steps=3)},
        good={**PLAIN, "speculative": MTP},
    ),
    Case(
        code="INF113",
        bad={**PLAIN, "speculative": SpeculativeDecoding.mtp()},
        good={**PLAIN, "speculative": SpeculativeDecoding.ngram(num_draft_tokens=5)},
    ),
    Case(
        code="INF113",
        bad={
            **PLAIN,
            "version": "0.14.1",
            "speculative": SpeculativeDecoding(
                "STANDALONE", draft_model_path="a/draft", draft_model_revision=COMMIT, num_steps=3
            ),
        },
        good={**PLAIN, "version": "0.14.1", "speculative": EAGLE3},
        elsewhere="0.15.1",
    ),
    *(
        Case(
            code="INF113",
            bad={**OLD, "engine": VLLM(speculative_config=_draft(odd))},
            good={**OLD, "engine": VLLM(speculative_config=_draft(right))},
            elsewhere="0.33.0",
        )
        for odd, right in (
            ("a/draft", "AngelSlim/Qwen3-8B_eagle3"),
            ("a/draft", "a/EAGLE-draft"),
            ("a/draft", "[ngram]"),
            ("a/draft", MODEL),
        )
    ),
    Case(
        code="INF114",
        bad={"engine": VLLM(enable_auto_tool_choice=True, tool_call_parser="qwen25")},
        good={"engine": VLLM(enable_auto_tool_choice=True, tool_call_parser="hermes")},
    ),
    Case(
        code="INF114",
        bad={"engine": VLLM(enable_auto_tool_choice=True, tool_call_parser="none")},
        good={"engine": VLLM(tool_call_parser="none")},
    ),
    Case(
        code="INF114",
        bad={"engine": VLLM(tool_call_parser="hermes")},
        good={"engine": VLLM(enable_auto_tool_choice=True, tool_call_parser="hermes")},
    ),
    Case(
        code="INF114",
        bad={"version": "0.15.1", "engine": VLLM(reasoning_parser="none")},
        good={"version": "0.33.0", "engine": VLLM(reasoning_parser="none")},
        elsewhere="0.33.0",
    ),
    Case(
        code="INF114",
        bad={"engine": VLLM(reasoning_parser="qwen")},
        good={"engine": VLLM(reasoning_parser="qwen", reasoning_parser_plugin="/parsers/qwen.py")},
    ),
    Case(
        code="INF116",
        bad={"version": "0.11.2", "engine": VLLM(compilation_config={"levle": 3})},
        good={"version": "0.11.2", "engine": VLLM(compilation_config={"level": 3})},
        elsewhere="0.33.0",
    ),
    Case(
        code="INF116",
        bad={
            "engine": VLLM(
                speculative_config={"method": "mtp", "num_speculative_tokens": 2, "topk": 4}
            )
        },
        good={"engine": VLLM(speculative_config={"method": "mtp", "num-speculative-tokens": 2})},
    ),
    *(
        Case(
            code="INF113",
            bad={
                "engine": VLLM(
                    speculative_config={"method": "ngram", "num_speculative_tokens": odd},
                    cudagraph_capture_sizes=[8, 64],
                )
            },
            good={
                "engine": VLLM(
                    speculative_config={"method": "ngram", "num_speculative_tokens": 3.0},
                    cudagraph_capture_sizes=[8, 64],
                )
            },
        )
        for odd in (-1, "three", [1], 3.5)
    ),
    *(
        Case(
            code="INF116",
            bad={"engine": VLLM(compilation_config={key: odd})},
            good={"engine": VLLM(compilation_config={key: right})},
        )
        for key, odd, right in (
            ("cudagraph_capture_sizes", 5, [16]),
            ("cudagraph_capture_sizes", ["a", 16], [1, 16]),
            ("max_cudagraph_capture_size", {}, 16),
        )
    ),
    Case(code="INF117", bad={"engine": VLLM(headless=True)}, good=PLAIN),
    Case(code="INF117", bad={"engine": VLLM(uds="/tmp/vllm.sock")}, good=PLAIN),
    Case(code="INF118", bad={"engine": VLLM(config="/etc/vllm.yaml")}, good=PLAIN),
    Case(
        code="INF119",
        bad={**PLAIN, "image": ImageSpec.from_registry("vllm/vllm-openai:v0.33.0")},
        good={**PLAIN, "image": PIP},
    ),
    # what holds for every engine
    Case(
        code="INF010",
        bad={"engine": VLLM(task="generate")},
        good={"engine": VLLM(runner="generate")},
        elsewhere="0.11.2",
    ),
    Case(code="INF010", bad={"engine": VLLM(disable_log_stats=False)}, good=PLAIN),
    Case(code="INF011", bad={"engine": VLLM(max_num=4)}, good={"engine": VLLM(max_num_seqs=40)}),
    Case(code="INF012", bad={"engine": VLLM(dtype="fp16")}, good={"engine": VLLM(dtype="half")}),
    Case(
        code="INF012",
        bad={"engine": VLLM(max_model_len="8Q")},
        good={"engine": VLLM(max_model_len="8K")},
    ),
    Case(
        code="INF012",
        bad={"version": "0.19.1", "engine": VLLM(compilation_config=SMALL_GRAPHS)},
        good={"version": "0.19.1", "engine": VLLM(compilation_config='{"mode": 3}')},
        elsewhere="0.33.0",
    ),
    Case(
        code="INF012",
        bad={"engine": VLLM(compilation_config={"levle": 3})},
        good={"engine": VLLM(compilation_config={"mode": 3})},
        elsewhere="0.11.2",
    ),
    Case(
        code="INF013",
        bad={"engine": VLLM(max_model=8192)},
        good={"engine": VLLM(max_model_len=8192)},
    ),
    Case(code="INF014", bad={"engine": VLLM(disable_cascade_attn=True)}, elsewhere="0.11.2"),
    Case(code="INF016", bad={**PLAIN, "version": "0.99.0"}, good=PLAIN, elsewhere="0.33.0"),
    Case(
        code="INF041",
        bad={
            **PLAIN,
            "environment": {"HF_HOME": "/elsewhere"},
            "weights": None,
            "parts": [Mounted("huggingface-cache", "/weights")],
        },
        good={
            "engine": VLLM(download_dir="/weights"),
            "weights": None,
            "parts": [Mounted("huggingface-cache", "/weights")],
        },
    ),
    Case(code="INF042", bad={**PLAIN, "weights": None}, good=PLAIN),
    Case(code="INF060", bad={**PLAIN, "gpu": "H1000:2"}, good={**PLAIN, "gpu": "H100:2"}),
    Case(
        code="INF061",
        bad={"engine": VLLM(tensor_parallel_size=1)},
        good={"engine": VLLM(tensor_parallel_size=1, data_parallel_size=2)},
    ),
    Case(
        code="INF061",
        bad={"engine": VLLM(pipeline_parallel_size=2)},
        good={"engine": VLLM(tensor_parallel_size=1, pipeline_parallel_size=2)},
    ),
    Case(
        code="INF061",
        bad={"engine": VLLM(prefill_context_parallel_size=2)},
        good={"engine": VLLM(tensor_parallel_size=1, prefill_context_parallel_size=2)},
        elsewhere="0.11.2",
    ),
    Case(
        code="INF071",
        bad={"engine": VLLM(gpu_memory_utilization=0.5), "model": FP8, "gpu": "T4"},
        good={
            "engine": VLLM(gpu_memory_utilization=0.9, max_model_len=8192),
            "model": FP8,
            "gpu": "T4",
        },
    ),
    Case(
        code="INF072",
        bad={**PLAIN, "model": FP8, "gpu": "L40S:3"},
        good={**PLAIN, "model": FP8, "gpu": "L40S:2"},
    ),
    Case(
        code="INF082",
        bad={"engine": VLLM(enable_prefix_caching=False)},
        good={"engine": VLLM(enable_prefix_caching=True)},
    ),
    Case(
        code="INF082",
        bad={**PLAIN, "version": "0.11.2", "model": HYBRID, "gpu": "H100!:4"},
        good={
            "engine": VLLM(enable_prefix_caching=True),
            "version": "0.11.2",
            "model": HYBRID,
            "gpu": "H100!:4",
        },
        elsewhere="0.33.0",
    ),
    Case(
        code="INF083",
        bad={"engine": VLLM(max_num_seqs=4)},
        good={"engine": VLLM(max_num_seqs=16)},
    ),
    Case(
        code="INF083",
        bad={**PLAIN, "gpu": "A100-80GB:2", "routing": {"target_inputs": 300}},
        good={**PLAIN, "gpu": "H100!:2", "routing": {"target_inputs": 300}},
    ),
    Case(
        code="INF083",
        bad={"engine": VLLM(max_num_batched_tokens=8)},
        good={"engine": VLLM(max_num_batched_tokens=16)},
    ),
    Case(
        code="INF084",
        bad={"engine": VLLM(max_cudagraph_capture_size=32), "speculative": EAGLE3},
        good={"engine": VLLM(max_cudagraph_capture_size=40), "speculative": EAGLE3},
    ),
    Case(code="INF090", bad={**PLAIN, "revision": None}, good=PLAIN),
    Case(
        code="INF091",
        bad={**PLAIN, "speculative": SpeculativeDecoding.eagle3("a/draft", num_steps=3)},
        good={**PLAIN, "speculative": EAGLE3},
    ),
    Case(
        code="INF094",
        bad={"engine": VLLM(trust_remote_code=True), "revision": None},
        good={"engine": VLLM(trust_remote_code=True)},
    ),
    Case(code="INF100", bad={"engine": VLLM(api_key="sk-" + "a" * 24)}, good=PLAIN),
    Case(code="INF102", bad={**PLAIN, "routing": {"unauthenticated": True}}, good=PLAIN),
]
