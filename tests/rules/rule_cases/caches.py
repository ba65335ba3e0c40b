"""Cases of rules: weights and kernels that are kept elsewhere."""

import attrs
from rule_samples import FP8, NVFP4, Case, Mounted, image, kernels

from components import ImageSpec, KernelCache, SGLang
from infra.contribution import Contribution, ServiceFacts
from infra.resources import BuildCommand

BARE = ImageSpec.from_registry("lmsysorg/sglang:v0.5.23").entrypoint([])
NOWHERE = KernelCache.deep_gemm("kernels", mount_path="/kernels", env={})


@attrs.frozen
class Compiled:
    """A part of a stack's author: kernels are compiled, for one GPU."""

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The build."""
        command = ("python3", "-m", "sglang.compile_deep_gemm", "--tp", "1")
        build = BuildCommand(command=command, engine_flags=("--model-path", "--revision"), gpu=True)
        return Contribution(builds=(build,))


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
    Case(
        code="INF040",
        bad={"version": "0.5.18", "parts": [Mounted("triton", "/root/.triton/cache")]},
        good={
            "version": "0.5.18",
            "parts": [Mounted("triton", "/root/.triton/cache")],
            "environment": {"TRITON_CACHE_DIR": "/root/.triton/cache"},
        },
        elsewhere="0.5.17",
    ),
    Case(
        code="INF040",
        bad={"version": "0.5.21", "parts": [Mounted("kernels", "/root/.tilelang/cache")]},
        good={"version": "0.5.21", "parts": [Mounted("kernels", "/root/.cache/sglang/tilelang")]},
        elsewhere="0.5.20",
    ),
    Case(
        code="INF040",
        bad={"version": "0.5.18", "parts": [Mounted("kernels", "/root/.cache/flashinfer")]},
        good={
            "version": "0.5.18",
            "parts": [Mounted("kernels", "/root/.cache/flashinfer")],
            "environment": {"FLASHINFER_WORKSPACE_BASE": "/root"},
        },
        elsewhere="0.5.17",
    ),
    Case(
        code="INF040",
        bad={"model": FP8, "kernels": NOWHERE},
        good={
            "model": FP8,
            "kernels": NOWHERE,
            "environment": {"SGL_DG_CACHE_DIR": "/kernels"},
        },
    ),
    Case(
        code="INF041",
        bad={"flags": {"download_dir": "/tmp/weights"}},
        good={
            "weights": None,
            "parts": [Mounted("huggingface-models", "/models")],
            "flags": {"download_dir": "/models"},
        },
    ),
    Case(code="INF042", bad={"weights": None}),
    Case(
        code="INF043",
        bad={"image": BARE},
        good={"image": image()},
    ),
    Case(
        code="INF043",
        bad={"image": BARE, "weights": None, "parts": [Mounted("hf-cache", "/root/.cache")]},
        good={
            "image": BARE.run_commands("apt-get update && rm -fr /root/.cache; true"),
            "weights": None,
            "parts": [Mounted("hf-cache", "/root/.cache")],
        },
    ),
    Case(
        code="INF043",
        bad={"image": BARE.run_commands("rm -rf /root/.cache/huggingface_before")},
        good={"image": BARE.run_commands("rm -r -f ~/.cache/huggingface/*")},
    ),
    Case(
        code="INF043",
        bad={"image": ImageSpec.from_registry("docker.io/lmsysorg/sglang:v0.5.23").entrypoint([])},
        good={"image": ImageSpec.from_registry("me/sglang:v0.5.23").entrypoint([])},
    ),
    Case(
        code="INF044",
        bad={"kernels": kernels(), "gpu": "A100-80GB:2"},
        good={"kernels": kernels(), "gpu": "H200:2"},
    ),
    Case(
        code="INF044",
        bad={"model": FP8, "kernels": kernels(), "flags": {"fp8_gemm_backend": "triton"}},
        good={"model": FP8, "kernels": kernels(), "flags": {"fp8_gemm_backend": "deep_gemm"}},
    ),
    Case(
        code="INF044",
        bad={"model": NVFP4, "kernels": kernels(), "gpu": "B200:2"},
        good={"model": FP8, "kernels": kernels(), "gpu": "B200:2"},
    ),
    Case(
        code="INF044",
        bad={"model": FP8, "parts": [Compiled()], "kernels": KernelCache("deepgemm-cache")},
        good={"model": FP8, "kernels": kernels(), "engine": SGLang(tensor_parallel_size=2)},
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
