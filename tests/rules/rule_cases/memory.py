"""Cases of rules: what does not fit."""

from rule_samples import FP8, Case

CASES = [
    Case(
        code="INF070",
        bad={"flags": {"mem_fraction_static": 0.95, "chunked_prefill_size": 16384}},
        good={"flags": {"mem_fraction_static": 0.8, "chunked_prefill_size": 16384}},
    ),
    Case(
        code="INF071",
        bad={
            "model": FP8,
            "gpu": "T4",
            "flags": {"mem_fraction_static": 0.5, "quantization": "gguf"},
        },
        good={"model": FP8, "gpu": "L4", "flags": {"mem_fraction_static": 0.8}},
    ),
    Case(
        code="INF072",
        bad={"model": FP8, "gpu": "L40S:3"},
        good={"model": FP8, "gpu": "L40S:2"},
    ),
]
