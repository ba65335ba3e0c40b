"""How long a container takes until its engine has its weights, and the rest of a start."""

import math
from functools import cached_property
from typing import Self

from components.rules.caches import holding
from components.rules.engine import Engine
from infra.facts.models import model_of
from infra.rules import Subject

# Bytes per second, (slow, fast). A Volume: https://modal.com/docs/guide/model-weights. The Hub:
# Modal's examples of GLM-4.7 (350 GB in 30 to 60 minutes) and Inkling (171 GB in about 10).
VOLUME = (1e9, 2e9)
HUB = (0.1e9, 0.3e9)
# Seconds for the container's boot, imports, the KV cache, CUDA graphs, a warm-up.
BESIDE_WEIGHTS = 60
DOWNLOAD = ("hf", "download")
# Seconds for DeepGEMM's kernels, (fast, slow): SGLang's log says "typically 10-20 mins" of them.
DEEP_GEMM = (600.0, 1200.0)


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

    @cached_property
    def is_kept(self) -> bool:
        """Whether the weights are in a Volume."""
        path = self.engine.path
        return (
            holding(self.engine, path if path.startswith("/") else self.engine.hub[0]) is not None
        )

    @cached_property
    def weight_bytes(self) -> int | None:
        """Bytes of the model's weights and, as far as they are known, of the draft's."""
        engine, draft = self.engine, self.engine.draft_model
        beside = model_of(draft, engine.service.models).weight_bytes if draft else None
        size = engine.model.weight_bytes
        return None if size is None else size + (beside or 0)

    @cached_property
    def seconds(self) -> tuple[float, float] | None:
        """
        What reading the weights takes.

        Each rank of SGLang's default loader reads all files; the container's page cache has them
        for all ranks but the first. Of weights that are in the image it is not known.
        """
        size = self.weight_bytes
        if size is None or (self.engine.path.startswith("/") and not self.is_kept):
            return None
        slow, fast = VOLUME if self.is_kept else HUB
        return size / fast, size / slow

    @cached_property
    def to_start(self) -> int | None:
        """Seconds that a start takes at the most; None: not known."""
        return None if self.seconds is None else math.ceil(self.seconds[1]) + BESIDE_WEIGHTS

    @cached_property
    def download_seconds(self) -> tuple[float, float] | None:
        """
        What the first container takes to fill the Volume from the Hub.

        None as well where it has nothing to fill: the build does it, or there is no Volume, or the
        weights are not from the Hub.
        """
        engine, size = self.engine, self.weight_bytes
        is_done = any(build.command[:2] == DOWNLOAD for build in engine.image.builds)
        if size is None or is_done or engine.path.startswith("/") or not self.is_kept:
            return None
        slow, fast = HUB
        return size / fast, size / slow

    @cached_property
    def to_start_first(self) -> int | None:
        """Seconds that the very first start takes at the most, which downloads the weights."""
        needed, download = self.to_start, self.download_seconds
        if needed is None or download is None:
            return needed
        return needed + math.ceil(download[1])
