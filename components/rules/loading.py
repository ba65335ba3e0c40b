"""How long a container takes until its engine is ready, part by part."""

import math
from collections.abc import Mapping
from typing import Self

from components.rules.caches import COMPILER, deep_gemm_folder, holding, uses_deep_gemm
from components.rules.engine import Engine
from components.rules.sglang_engine import SGLangEngine
from infra.facts.models import model_of
from infra.lazy import lazy
from infra.rules import Subject

Seconds = tuple[float, float]  # (fast, slow)

# Bytes per second, (slow, fast). A Volume: https://modal.com/docs/guide/model-weights. The Hub:
# Modal's examples of GLM-4.7 (350 GB in 30 to 60 minutes) and Inkling (171 GB in about 10).
VOLUME = (1e9, 2e9)
HUB = (0.1e9, 0.3e9)
# Seconds for the container's boot, imports, the KV cache, CUDA graphs, a warm-up.
BESIDE_WEIGHTS = 60
# Seconds to start where a service has none written, at either front door: the generated module
# gives a `server` what Modal gives a class.
UNSET = 300
DOWNLOAD = ("hf", "download")
# DeepGEMM's kernels. A server, too, compiles all of a shape's when it meets the shape first, which
# is while it captures CUDA graphs or warms up: so it was in each release from 0.5.6 to 0.5.23,
# whose log says "typically 10-20 mins" of it.
DEEP_GEMM = (600.0, 1200.0)
FAST = (0.0, 180.0)  # since 0.5.8: "<3 min" in sgl-project/sglang#18823
FAST_WARM_UP = "SGLANG_JIT_DEEPGEMM_FAST_WARMUP"
PRECOMPILE = "SGLANG_JIT_DEEPGEMM_PRECOMPILE"
TRUE = ("1", "true", "yes")


class Loading:
    """
    What a start of an engine takes.

    Of seconds (fast, slow), None is "not known".
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def of(cls, subject: Subject) -> Self | None:
        """That of a service; None: nothing is known of its engine."""
        engine = subject.view(Engine.of)
        return engine and cls(engine)

    @property
    def limit(self) -> int:
        """Seconds that a start may take."""
        return self.engine.service.startup_timeout or UNSET

    @lazy
    def is_kept(self) -> bool:
        """Whether the weights are in a Volume."""
        path = self.engine.path
        return (
            holding(self.engine, path if path.startswith("/") else self.engine.hub[0]) is not None
        )

    @lazy
    def _sizes(self) -> dict[str, int | None]:
        """Bytes of the model's weights, and of the draft's if it is another model."""
        engine, draft = self.engine, self.engine.draft_model
        sizes = {engine.path: engine.model.weight_bytes}
        if draft:
            sizes[draft] = model_of(draft, engine.service.models).weight_bytes
        return sizes

    @lazy
    def weight_bytes(self) -> int | None:
        """Bytes of the model's weights and, as far as they are known, of the draft's."""
        if self._sizes[self.engine.path] is None:
            return None
        return sum(each or 0 for each in self._sizes.values())

    @lazy
    def seconds(self) -> Seconds | None:
        """
        What reading the weights takes.

        Each rank of SGLang's default loader reads all files; the container's page cache has them
        for all ranks but the first. Of weights that are in the image it is not known.
        """
        size = self.weight_bytes
        if size is None or (self.engine.path.startswith("/") and not self.is_kept):
            return None
        return transfer(size, VOLUME if self.is_kept else HUB)

    @lazy
    def downloads(self) -> Mapping[str, int]:
        """
        What is not in its Volume before the first container puts it there: bytes by repository.

        Nothing where the build does it, where there is no Volume, where it is not from the Hub.
        """
        if not holding(self.engine, self.engine.hub[0]):
            return {}
        done: set[str] = set()
        for build in self.engine.image.builds:
            if build.command[:2] == DOWNLOAD:
                done |= {*build.command[2:3]}
            elif COMPILER in build.command and "--model-path" in build.engine_flags:
                done.add(self.engine.path)  # it runs a server, without the draft
        return {
            name: size
            for name, size in self._sizes.items()
            if size and name not in done and not name.startswith("/")
        }

    @property
    def is_compiled_at_build(self) -> bool:
        """Whether DeepGEMM's kernels are, which then lie in their Volume or in the image."""
        return any(COMPILER in each.command for each in self.engine.image.builds)

    @lazy
    def deep_gemm(self) -> Seconds | None:
        """What DeepGEMM's kernels take before the engine is ready; None: none are compiled then."""
        engine = self.engine
        if not isinstance(engine, SGLangEngine) or not uses_deep_gemm(engine):
            return None
        if engine.env.get(PRECOMPILE, "1").lower() not in TRUE:
            return None  # each when a request needs it
        is_fast = engine.since("0.5.8") and engine.env.get(FAST_WARM_UP, "").lower() in TRUE
        return FAST if is_fast else DEEP_GEMM

    @lazy
    def _to_compile(self) -> tuple[int, int]:
        """Seconds for DeepGEMM's kernels at the most: in each container, and once in a Volume."""
        engine = self.engine
        if self.is_compiled_at_build or not isinstance(engine, SGLangEngine) or not self.deep_gemm:
            return 0, 0
        slow = int(self.deep_gemm[1])
        return (0, slow) if holding(engine, deep_gemm_folder(engine)) else (slow, 0)

    @property
    def to_compile(self) -> int:
        """Seconds that each container compiles DeepGEMM's kernels at the most."""
        return self._to_compile[0]

    @property
    def to_compile_first(self) -> int:
        """Seconds that the first one does, which puts them into their Volume."""
        return self._to_compile[1]

    @lazy
    def to_load(self) -> int | None:
        """Seconds that a start takes at the most, without kernels; None: not known."""
        return None if self.seconds is None else int(self.seconds[1]) + BESIDE_WEIGHTS

    @lazy
    def to_start(self) -> int | None:
        """Seconds that a start takes at the most, as far as they are known; None: not known."""
        return None if self.to_load is None else self.to_load + self.to_compile

    @lazy
    def to_start_first(self) -> int | None:
        """Seconds that the very first start takes at the most, which fills the Volumes."""
        if self.to_start is None:
            return None
        download = sum(int(transfer(size, HUB)[1]) for size in self.downloads.values())
        return self.to_start + download + self.to_compile_first


def transfer(size: int, rate: tuple[float, float]) -> Seconds:
    """
    What so many bytes take at a rate, (slow, fast), in whole seconds, rounded up.

    So sums of them are the same in a table, which rounds, and in a rule, which compares.
    """
    slow, fast = rate
    return float(math.ceil(size / fast)), float(math.ceil(size / slow))
