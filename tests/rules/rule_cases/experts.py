"""Cases of rules: a model's experts on several GPUs."""

from rule_samples import FP8, Case, kernels

EXPERTS = "Qwen/Qwen3-235B-A22B-FP8"
RUNNER = {"model": FP8, "gpu": "B200:2", "kernels": kernels()}

CASES = [
    Case(code="INF064", bad={"flags": {"ep_size": 4}}, good={"flags": {"ep_size": 2}}),
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
        code="INF067",
        bad={
            "model": EXPERTS,
            "gpu": "H200:8",
            "kernels": kernels(),
            "flags": {"moe_a2a_backend": "none"},
        },
        good={
            "model": EXPERTS,
            "gpu": "H200:8",
            "kernels": kernels(),
            "flags": {"moe_a2a_backend": "deepep"},
        },
    ),
    Case(
        code="INF121",
        bad={**RUNNER, "version": "0.5.11", "flags": {"moe_runner_backend": "flashinfer_cutedsl"}},
        good={**RUNNER, "version": "0.5.11", "flags": {"moe_runner_backend": "flashinfer_trtllm"}},
        elsewhere="0.5.10.post1",
    ),
    Case(
        code="INF121",
        bad={
            "gpu": "B200:2",
            "flags": {"moe_runner_backend": "flashinfer_trtllm", "quantization": "awq"},
        },
        good={"gpu": "B200:2", "flags": {"moe_runner_backend": "triton", "quantization": "awq"}},
    ),
    Case(
        code="INF121",
        bad={
            **RUNNER,
            "flags": {"moe_runner_backend": "cutlass", "quantization": "fp8", "ep_size": 2},
        },
        good={**RUNNER, "flags": {"moe_runner_backend": "cutlass", "quantization": "fp8"}},
    ),
    Case(
        code="INF122",
        bad={"version": "0.5.14", "flags": {"enable_two_batch_overlap": True}},
        good={
            "version": "0.5.14",
            "flags": {"enable_two_batch_overlap": True, "moe_a2a_backend": "deepep"},
        },
        elsewhere="0.5.6.post2",
    ),
    Case(
        code="INF122",
        bad={"flags": {"enable_two_batch_overlap": True}},
        good={"flags": {"enable_two_batch_overlap": True, "attn_dp_size": 2}},
        elsewhere="0.5.6.post2",
    ),
]
