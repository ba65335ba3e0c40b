"""Cases of rules: too little time, or too much."""

from rule_samples import FP8, Case, kernels

from components import WeightCache

CASES = [
    Case(code="INF050", bad={"startup_timeout": None}, good={"startup_timeout": 1800}),
    Case(
        code="INF051",
        bad={"model": FP8, "kernels": kernels(), "startup_timeout": 60, "warm_up_timeout": 10},
        good={"model": FP8, "kernels": kernels(), "startup_timeout": 600},
    ),
    Case(
        code="INF051",
        bad={"startup_timeout": 100},
        good={"startup_timeout": 100, "warm_up_timeout": 30},
    ),
    Case(
        code="INF052",
        bad={"model": FP8, "kernels": kernels(), "startup_timeout": 7200},
        good={"model": FP8, "kernels": kernels(), "startup_timeout": 900},
    ),
    Case(
        code="INF055",
        bad={"model": FP8, "kernels": kernels(), "startup_timeout": 150, "warm_up_timeout": 60},
        good={"model": FP8, "kernels": kernels(), "startup_timeout": 180, "warm_up_timeout": 60},
    ),
    Case(
        code="INF055",
        bad={"model": FP8, "kernels": kernels(), "startup_timeout": 150, "warm_up_timeout": 60},
        good={
            "model": FP8,
            "kernels": kernels(),
            "weights": WeightCache("weights", download_at_build=True),
            "startup_timeout": 150,
            "warm_up_timeout": 60,
        },
    ),
    Case(
        code="INF053",
        bad={"routing": {"exit_grace_period": 0}},
        good={"routing": {"exit_grace_period": 5}},
    ),
    Case(code="INF054", bad={"flags": {"skip_server_warmup": True}}),
]
