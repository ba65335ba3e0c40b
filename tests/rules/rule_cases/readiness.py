"""Cases of rules: too little time, or too much."""

from rule_samples import FP8, Case, kernels

from components import KernelCache, WeightCache

FAST = {"SGLANG_JIT_DEEPGEMM_FAST_WARMUP": "1"}
LAZY = {"SGLANG_JIT_DEEPGEMM_PRECOMPILE": "0"}
KEPT = KernelCache("kernels")
BUILT = WeightCache("weights", download_at_build=True)

CASES = [
    Case(code="INF050", bad={"startup_timeout": None}, good={"startup_timeout": 1800}),
    Case(
        code="INF051",
        bad={"model": FP8, "kernels": kernels(), "startup_timeout": 60},
        # A warm-up may take as long as the start: that is a limit, not time that passes.
        good={"model": FP8, "kernels": kernels(), "startup_timeout": 120, "warm_up_timeout": 120},
    ),
    Case(
        code="INF052",
        bad={"model": FP8, "kernels": kernels(), "startup_timeout": 7200},
        good={"model": FP8, "kernels": kernels(), "startup_timeout": 900},
    ),
    Case(  # kernels that the first container compiles into their Volume
        code="INF055",
        bad={"model": FP8, "kernels": KEPT, "weights": BUILT, "startup_timeout": 600},
        good={"model": FP8, "kernels": kernels(), "weights": BUILT, "startup_timeout": 600},
    ),
    Case(  # the download
        code="INF055",
        bad={"model": FP8, "kernels": KEPT, "environment": FAST, "startup_timeout": 320},
        good={"model": FP8, "kernels": KEPT, "environment": FAST, "startup_timeout": 360},
    ),
    Case(
        code="INF055",
        bad={"model": FP8, "kernels": KEPT, "environment": LAZY, "startup_timeout": 150},
        good={
            "model": FP8,
            "kernels": KEPT,
            "environment": LAZY,
            "weights": BUILT,
            "startup_timeout": 150,
        },
    ),
    Case(
        code="INF053",
        bad={"routing": {"exit_grace_period": 0}},
        good={"routing": {"exit_grace_period": 5}},
    ),
    Case(code="INF054", bad={"flags": {"skip_server_warmup": True}}),
]
