"""Cases of rules: weights and kernels that are kept elsewhere."""

from rule_samples import FP8, Case, Mounted, image, kernels

from components import ImageSpec

CASES = [
    Case(
        code="INF040",
        bad={"model": FP8, "kernels": kernels(mount_path="/root/.cache/deepgemm", env={})},
        good={"model": FP8, "kernels": kernels(mount_path="/root/.cache/deepgemm")},
    ),
    Case(
        code="INF040",
        bad={"version": "0.5.18", "model": FP8, "kernels": kernels(env={})},
        good={"version": "0.5.18", "model": FP8, "kernels": kernels()},
        elsewhere="0.5.17",
    ),
    Case(
        code="INF041",
        bad={"weights": None, "parts": [Mounted("huggingface-cache", "/weights")]},
        good={
            "weights": None,
            "parts": [Mounted("huggingface-cache", "/weights")],
            "environment": {"HF_HOME": "/weights"},
        },
    ),
    Case(code="INF042", bad={"weights": None}),
    Case(
        code="INF043",
        bad={"image": ImageSpec.from_registry("lmsysorg/sglang:v0.5.23").entrypoint([])},
        good={"image": image()},
    ),
    Case(
        code="INF044",
        bad={"kernels": kernels(), "gpu": "A100-80GB:2"},
        good={"kernels": kernels(), "gpu": "H200:2"},
    ),
    Case(
        code="INF044",
        bad={
            "kernels": kernels(
                env={
                    "SGLANG_ENABLE_JIT_DEEPGEMM": "0",
                    "SGLANG_DG_CACHE_DIR": "/root/.cache/deep_gemm",
                }
            )
        },
        good={"kernels": kernels()},
    ),
    Case(code="INF045", bad={"model": FP8}, good={"model": FP8, "kernels": kernels()}),
]
