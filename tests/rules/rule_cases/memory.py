"""Cases of rules: what does not fit."""

from rule_samples import FP8, Case

HALF = {"mem_fraction_static": 0.5, "quantization": "gguf"}
CASES = [
    Case(
        code="INF070",
        bad={"flags": {"mem_fraction_static": 0.95, "chunked_prefill_size": 16384}},
        good={"flags": {"mem_fraction_static": 0.8, "chunked_prefill_size": 16384}},
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
]
