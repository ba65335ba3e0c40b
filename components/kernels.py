"""Compiled kernels in a Modal Volume, so that they are compiled once and not in every container."""

from collections.abc import Iterator
from typing import Self

import attrs

from components.engine import Engine
from infra import validators
from infra.contribution import Contribution, ServiceFacts
from infra.resources import Mount, Pairs, Volume, pairs, several


@attrs.frozen
class KernelCache:
    """
    A Volume for the kernels that are compiled on the GPU.

    Attributes:
        volume: Name of the Modal Volume.
        mount_path: Where it is mounted.
        caches: Whose kernels it holds, by the engine's names: ``deep_gemm``, ``triton``,
            ``inductor``, ``flashinfer``, ``sglang`` of SGLang, ``vllm``, ``deep_gemm``, ``triton``,
            ``flashinfer`` of vLLM; None: all of them. One alone has the Volume to itself; several
            have a folder each.
        env: Variables that point the engine at the mount; None derives them from `caches`.
        compile_deep_gemm: Compile DeepGEMM's kernels while the image is built, on the service's
            GPU: 10 to 20 minutes once, 1 second when they are in the Volume already (SGLang's
            own log). Needs SM 90 or newer, and SGLang: vLLM has no command for it.
        compile_timeout: Seconds for that; None: Modal's 3600.
    """

    volume: str = attrs.field(validator=validators.text(validators.NAME, example="kernel-cache"))
    mount_path: str = attrs.field(
        default="/root/.cache/kernels", validator=validators.mount_path(), kw_only=True
    )
    caches: tuple[str, ...] | None = attrs.field(
        default=None,
        converter=several,
        validator=validators.optional(
            validators.each(validators.text(example="triton"), one="triton")
        ),
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
        default=None,
        validator=validators.optional(validators.whole_number(1, 86_400, example=3600)),
        kw_only=True,
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

    def misfits(self, engine: Engine) -> Iterator[str]:
        """What of it the engine does not have."""
        known = engine.caches()
        for name in self.caches or ():
            if name not in known:
                yield (
                    f"caches: {name!r} is none of {type(engine).__name__}'s; "
                    f"{', '.join(known) or 'none'} are allowed; write one of them"
                )
        if self.compile_deep_gemm and engine.compilation() is None:
            yield (
                f"compile_deep_gemm: is True, and {type(engine).__name__} has no command that "
                "compiles ahead; False is allowed; write KernelCache(...), which keeps what the "
                "first container compiles"
            )

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The mount, the variables that point at it, the compilation."""
        build = service.engine.compilation() if self.compile_deep_gemm else None
        return Contribution(
            env=self._derived_env(service.engine) if self.env is None else self.env,
            env_comment="compiled kernels are kept in the Volume",
            mounts=(Mount(path=self.mount_path, volume=Volume(name=self.volume)),),
            builds=(attrs.evolve(build, timeout=self.compile_timeout),) if build else (),
        )

    def _derived_env(self, engine: Engine) -> Pairs:
        caches = engine.caches() if self.caches is None else self.caches
        alone = len(caches) == 1
        folders = {
            name: self.mount_path if alone else f"{self.mount_path}/{name}" for name in caches
        }
        return tuple(engine.cache_variables(folders).items())
