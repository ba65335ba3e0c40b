"""How long a container takes until its engine is ready, part by part."""

import math
from collections.abc import Mapping
from typing import Self

from components.rules.caches import (
    COMPILER,
    PRECOMPILE,
    compiles,
    compiles_all,
    deep_gemm_folder,
    holding,
    uses_deep_gemm,
)
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
NONE = (0.0, 0.0)


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
        return compiles(self.engine)

    @lazy
    def deep_gemm(self) -> Seconds | None:
        """What DeepGEMM's kernels take before the engine is ready; None: none are compiled then."""
        engine = self.engine
        if not isinstance(engine, SGLangEngine) or not uses_deep_gemm(engine):
            return None
        if not engine.is_set(PRECOMPILE, "1"):
            return None  # each when a request needs it
        return DEEP_GEMM if compiles_all(engine) else FAST

    @lazy
    def to_compile(self) -> Seconds:
        """What each container compiles of DeepGEMM's kernels."""
        return NONE if self._is_compiled_once else self.deep_gemm or NONE

    @lazy
    def to_compile_first(self) -> Seconds:
        """What the first one compiles, which puts it into a Volume."""
        is_kept = self._is_compiled_once and not self.is_compiled_at_build
        return self.deep_gemm or NONE if is_kept else NONE

    @lazy
    def _is_compiled_once(self) -> bool:
        """Whether DeepGEMM's kernels are kept, by the image or by a Volume."""
        engine = self.engine
        if self.is_compiled_at_build or not isinstance(engine, SGLangEngine):
            return True
        return holding(engine, deep_gemm_folder(engine)) is not None

    @lazy
    def to_start(self) -> Seconds | None:
        """What a start takes, as far as that is known; None: not known."""
        if self.seconds is None:
            return None
        (fast, slow), (quick, long) = self.seconds, self.to_compile
        return fast + BESIDE_WEIGHTS + quick, slow + BESIDE_WEIGHTS + long

    @lazy
    def to_start_first(self) -> Seconds | None:
        """What the very first start takes, which fills the Volumes; None: not known."""
        if self.to_start is None:
            return None
        once = [transfer(size, HUB) for size in self.downloads.values()]
        fast, slow = zip(self.to_start, self.to_compile_first, *once, strict=True)
        return sum(fast), sum(slow)


def transfer(size: int, rate: tuple[float, float]) -> Seconds:
    """
    What so many bytes take at a rate, (slow, fast), in whole seconds, rounded up.

    So sums of them are the same in a table, which rounds, and in a rule, which compares.
    """
    slow, fast = rate
    return float(math.ceil(size / fast)), float(math.ceil(size / slow))
