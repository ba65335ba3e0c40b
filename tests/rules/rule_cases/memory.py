"""Cases of rules: what does not fit."""

from rule_samples import FP8, Case

from components import VLLM

HALF = {"mem_fraction_static": 0.5, "quantization": "gguf", "context_length": 4096}
CASES = [
    Case(
        code="INF070",
        bad={"flags": {"mem_fraction_static": 0.95, "chunked_prefill_size": 16384}},
        good={"flags": {"mem_fraction_static": 0.8, "chunked_prefill_size": 16384}},
    ),
    Case(
        code="INF070",
        bad={"gpu": "B200:2", "flags": {"mem_fraction_static": 0.96}},
        good={"gpu": "B200:2", "flags": {"mem_fraction_static": 0.9}},
    ),
    Case(
        code="INF070",
        bad={"gpu": "L4", "flags": {"mem_fraction_static": 0.93}},
        good={"gpu": "L4", "flags": {"mem_fraction_static": 0.8}},
        elsewhere="0.5.19",
    ),
    Case(
        code="INF071",
        bad={"model": FP8, "gpu": "T4", "flags": HALF},
        good={"model": FP8, "gpu": "L4", "flags": {"mem_fraction_static": 0.8}},
    ),
    *(
        Case(
            code="INF071",
            bad={"model": FP8, "gpu": "T4", "flags": {**HALF, flag: few}},
            good={"model": FP8, "gpu": "T4", "flags": {**HALF, flag: enough}},
        )
        for flag, few, enough in (("cpu_offload_gb", 1, 2), ("offload_group_size", -1, 4))
    ),
    Case(
        code="INF071",
        bad={
            "model": FP8,
            "gpu": ["L4", "T4"],
            "engine": VLLM(gpu_memory_utilization=0.55, max_model_len=8192),
        },
        good={"model": FP8, "gpu": ["L4", "L40S"], "engine": VLLM(max_model_len=8192)},
    ),
    Case(
        code="INF072",
        bad={"model": FP8, "gpu": "L40S:3"},
        good={"model": FP8, "gpu": "L40S:2"},
    ),
    Case(
        code="INF073",
        bad={"flags": {"mem_fraction_static": 85}},
        good={"flags": {"mem_fraction_static": 0.85}},
    ),
    *(
        Case(code="INF073", bad={"flags": bad}, good={"flags": good})
        for bad, good in (
            ({"mem_fraction_static": "nan"}, {"mem_fraction_static": "0.8"}),
            ({"mem_fraction_static": "inf"}, {"mem_fraction_static": ".8"}),
            ({"mem_fraction_static": 0}, {}),
            ({"dp_size": -1}, {"dp_size": 1}),
            ({"pp_size": 0}, {"pp_size": 1}),
            ({"max_running_requests": -4}, {"max_running_requests": 40}),
            ({"context_length": -1}, {"context_length": 4096}),
        )
    ),
    Case(
        code="INF073",
        bad={"flags": {"swa_full_tokens_ratio": 1.5}},
        good={"flags": {"swa_full_tokens_ratio": 1}},
        elsewhere="0.5.6.post2",
    ),
    Case(
        code="INF074",
        bad={"model": FP8, "gpu": "L40S", "flags": {"context_length": 200000}},
        good={"model": FP8, "gpu": "L40S", "flags": {"context_length": 40960}},
    ),
    Case(
        code="INF074",
        bad={"model": FP8, "gpu": "L40S", "engine": VLLM(max_model_len=200000)},
        good={
            "model": FP8,
            "gpu": "L40S",
            "engine": VLLM(max_model_len=200000),
            "environment": {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"},
        },
    ),
    Case(
        code="INF074",
        bad={
            "model": FP8,
            "gpu": "L40S",
            "engine": VLLM(max_model_len=200000),
            "environment": {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "yes"},  # which SGLang would take
        },
        good={
            "model": FP8,
            "gpu": "L40S",
            "engine": VLLM(max_model_len=200000),
            "environment": {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "True"},
        },
    ),
    Case(
        code="INF075",
        bad={"model": FP8, "gpu": "L4", "flags": {"mem_fraction_static": 0.5}},
        good={
            "model": FP8,
            "gpu": "L4",
            "flags": {"mem_fraction_static": 0.5, "context_length": 16384},
        },
    ),
    Case(
        code="INF075",
        bad={"model": FP8, "gpu": "L4", "engine": VLLM(gpu_memory_utilization=0.6)},
        good={
            "model": FP8,
            "gpu": "L4",
            "engine": VLLM(gpu_memory_utilization=0.6, kv_cache_dtype="fp8"),
        },
    ),
    *(
        Case(
            code="INF071",
            bad={
                "model": FP8,
                "gpu": "L4",
                "engine": VLLM(kv_cache_memory_bytes=much, max_model_len=8192),
            },
            good={
                "model": FP8,
                "gpu": "L4",
                "engine": VLLM(kv_cache_memory_bytes="8G", max_model_len=8192),
            },
        )
        for much in ("30G", "2T")
    ),
    Case(
        code="INF075",
        bad={
            "model": FP8,
            "gpu": "L40S",
            "flags": {"context_length": 32768, "max_total_tokens": 20000},
        },
        good={
            "model": FP8,
            "gpu": "L40S",
            "flags": {"context_length": 16384, "max_total_tokens": 20000},
        },
    ),
    *(
        Case(
            code="INF075",
            bad={"model": FP8, "gpu": "L40S", "engine": VLLM(max_model_len=16384, **few)},
            good={"model": FP8, "gpu": "L40S", "engine": VLLM(max_model_len=16384, **enough)},
        )
        for few, enough in (
            ({"num_gpu_blocks_override": 1000}, {"num_gpu_blocks_override": 1024}),
            (
                {"num_gpu_blocks_override": 1000},
                {"num_gpu_blocks_override": 1000, "block_size": 32},
            ),
            ({"kv_cache_memory_bytes": "2G"}, {"kv_cache_memory_bytes": "3G"}),
        )
    ),
]
