"""Compiled kernels in a Modal Volume, so that they are compiled once and not in every container."""

from typing import Self

import attrs

from infra import validators
from infra.contribution import Contribution, ServiceFacts
from infra.resources import BuildCommand, Mount, Pairs, Volume, pairs, several

# What makes each compiler use a directory, read in SGLang 0.5.6 to 0.5.23. The defaults moved in
# 0.5.18 (~/.cache/deep_gemm became ~/.cache/sglang/deep_gemm), so the variable is always set.
VARIABLES = {
    "deep_gemm": "SGLANG_DG_CACHE_DIR",
    "triton": "TRITON_CACHE_DIR",
    "inductor": "TORCHINDUCTOR_CACHE_DIR",
    "flashinfer": "FLASHINFER_WORKSPACE_BASE",
    "sglang": "SGLANG_CACHE_DIR",
}

# The kernels that `sglang.compile_deep_gemm` compiles depend on the shapes of the weights (model,
# quantisation, parallelism) and on the largest batch (chunked prefill); the rest of the command
# line does not matter to it.
DEEP_GEMM_FLAGS = (
    "--model-path",
    "--revision",
    "--tp-size",
    "--ep-size",
    "--dp-size",
    "--enable-dp-attention",
    "--quantization",
    "--chunked-prefill-size",
    "--moe-runner-backend",
    "--fp8-gemm-backend",
    "--trust-remote-code",
)


@attrs.frozen
class KernelCache:
    """
    A Volume for the kernels that are compiled on the GPU.

    Attributes:
        volume: Name of the Modal Volume.
        mount_path: Where it is mounted.
        caches: Whose kernels it holds: ``deep_gemm``, ``triton``, ``inductor``, ``flashinfer``,
            ``sglang`` (torch.compile and FlashInfer's autotuning). One alone has the Volume to
            itself; several have a folder each.
        env: Variables that point the engine at the mount; None derives them from `caches`.
        compile_deep_gemm: Compile DeepGEMM's kernels while the image is built, on the service's
            GPU: 10 to 20 minutes once, 1 second when they are in the Volume already (SGLang's
            own log). Needs SM 90 or newer.
        compile_timeout: Seconds for that; None: Modal's 3600.
    """

    volume: str = attrs.field(validator=validators.text(validators.NAME, example="kernel-cache"))
    mount_path: str = attrs.field(
        default="/root/.cache/kernels", validator=validators.mount_path(), kw_only=True
    )
    caches: tuple[str, ...] = attrs.field(
        default=tuple(VARIABLES),
        converter=several,
        validator=validators.each(validators.one_of(tuple(VARIABLES))),
        kw_only=True,
    )
    env: Pairs | None = attrs.field(
        default=None,
        converter=pairs,
        validator=validators.optional(validators.text_pairs()),
        kw_only=True,
    )
    compile_deep_gemm: bool = attrs.field(default=False, validator=validators.truth(), kw_only=True)
    compile_timeout: int | None = attrs.field(
        default=None, validator=validators.optional(validators.whole_number(1)), kw_only=True
    )

    @classmethod
    def deep_gemm(
        cls,
        volume: str,
        *,
        mount_path: str = "/root/.cache/deep_gemm",
        env: dict[str, str] | None = None,
        compile_timeout: int | None = None,
    ) -> Self:
        """DeepGEMM's kernels alone, compiled while the image is built."""
        return cls(
            volume,
            mount_path=mount_path,
            caches=["deep_gemm"],
            env=env,
            compile_deep_gemm=True,
            compile_timeout=compile_timeout,
        )

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The mount, the variables that point at it, the compilation."""
        build = BuildCommand(
            command=("python3", "-m", "sglang.compile_deep_gemm"),
            engine_flags=DEEP_GEMM_FLAGS,
            gpu=True,
            timeout=self.compile_timeout,
            comment="compile DeepGEMM's kernels ahead of time, on the GPU that will run them",
        )
        return Contribution(
            env=self._derived_env() if self.env is None else self.env,
            env_comment="compiled kernels are kept in the Volume",
            mounts=(Mount(path=self.mount_path, volume=Volume(name=self.volume)),),
            builds=(build,) if self.compile_deep_gemm else (),
        )

    def _derived_env(self) -> Pairs:
        alone = len(self.caches) == 1
        env = {"SGLANG_ENABLE_JIT_DEEPGEMM": "1"} if "deep_gemm" in self.caches else {}
        for cache in self.caches:
            env[VARIABLES[cache]] = self.mount_path if alone else f"{self.mount_path}/{cache}"
        return tuple(env.items())
