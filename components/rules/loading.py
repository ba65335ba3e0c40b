"""How long a container takes until its engine has its weights, and the rest of a start."""

import math

from components.rules.caches import holding
from components.rules.engine import Engine
from infra.facts.models import model_of

# Bytes per second, (slow, fast). A Volume: https://modal.com/docs/guide/model-weights. The Hub:
# Modal's examples of GLM-4.7 (350 GB in 30 to 60 minutes) and Inkling (171 GB in about 10).
VOLUME = (1e9, 2e9)
HUB = (0.1e9, 0.3e9)
# Seconds for the container's boot, imports, the KV cache, CUDA graphs, a warm-up.
BESIDE_WEIGHTS = 60
DOWNLOAD = ("hf", "download")
# Seconds for DeepGEMM's kernels, (fast, slow): SGLang's log says "typically 10-20 mins" of them.
DEEP_GEMM = (600.0, 1200.0)


def is_kept(engine: Engine) -> bool:
    """Whether the weights are in a Volume."""
    folder = engine.path if engine.path.startswith("/") else engine.hub[0]
    return holding(engine, folder) is not None


def weight_bytes(engine: Engine) -> int | None:
    """Bytes of the model's weights and, as far as they are known, of the draft's."""
    draft = engine.draft_model
    beside = model_of(draft, engine.service.models).weight_bytes if draft else None
    size = engine.model.weight_bytes
    return None if size is None else size + (beside or 0)


def load_seconds(engine: Engine) -> tuple[float, float] | None:
    """
    What reading the weights takes, (fast, slow).

    Each rank of SGLang's default loader reads all files; the container's page cache has them for
    all ranks but the first. None: not known, as of weights that are in the image.
    """
    size = weight_bytes(engine)
    if size is None or (engine.path.startswith("/") and not is_kept(engine)):
        return None
    slow, fast = VOLUME if is_kept(engine) else HUB
    return size / fast, size / slow


def seconds_to_start(engine: Engine) -> int | None:
    """What a start takes at the most; None: not known."""
    seconds = load_seconds(engine)
    return None if seconds is None else math.ceil(seconds[1]) + BESIDE_WEIGHTS


def download_seconds(engine: Engine) -> tuple[float, float] | None:
    """
    What the first container takes to fill the Volume from the Hub, (fast, slow).

    None: the size is not known, or it has nothing to fill: the build does it, or there is no
    Volume, or the weights are not from the Hub.
    """
    size = weight_bytes(engine)
    is_done = any(build.command[:2] == DOWNLOAD for build in engine.image.builds)
    if size is None or is_done or engine.path.startswith("/") or not is_kept(engine):
        return None
    slow, fast = HUB
    return size / fast, size / slow


def seconds_to_start_first(engine: Engine) -> int | None:
    """What the very first start takes at the most, which downloads the weights."""
    needed, download = seconds_to_start(engine), download_seconds(engine)
    return needed if needed is None or download is None else needed + math.ceil(download[1])
