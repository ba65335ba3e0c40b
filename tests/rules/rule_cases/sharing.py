"""Cases of rules: Volumes that two services use differently."""

from rule_samples import FP8, Case, Mounted, kernels

MOVED = {
    "weights": None,
    "parts": [Mounted("huggingface-cache", "/weights")],
    "environment": {"HF_HOME": "/weights"},
}

CASES = [
    Case(
        code="INF046",
        bad=MOVED,
        good={**MOVED, "environment": {"HF_HUB_CACHE": "/weights"}},
        beside={},
    ),
    Case(
        code="INF047",
        bad={"version": "0.5.20", "model": FP8, "kernels": kernels()},
        good={"model": FP8, "kernels": kernels()},
        beside={"model": FP8, "kernels": kernels()},
        elsewhere="0.5.23",
    ),
    Case(
        code="INF047",
        bad={"model": FP8, "kernels": kernels(), "gpu": "B200:2"},
        good={"model": FP8, "kernels": kernels(), "gpu": "H100!:2"},
        beside={"model": FP8, "kernels": kernels()},
    ),
]
