"""Whether weights and compiled kernels are kept where the engine looks for them."""

import re
from collections.abc import Iterator
from functools import cache

from components.image import SGLANG_IMAGE, repository
from components.rules.engine import Engine, base_tag
from components.rules.sglang_engine import SGLangEngine
from components.sglang import DEEP_GEMM_FLAGS
from infra.facts import caches
from infra.resources import Image, Mount
from infra.rules import Fault, Rule, rule

DEFAULTS = "environ.py and __init__.py of SGLang 0.5.6.post2 to 0.5.23"
HUB = ("huggingface", "hfhub", "hfcache", "hfhome")
HUB_DEFAULT = "/root/.cache/huggingface"
# Compiled where a command of the image is looked at, which is seldom.
REMOVED = r"\brm\s+(?:-\S+\s+)*-[^\s;&|rR]*[rR]\S*((?:\s+[^\s;&|]+)+)"
HOMES = ("~", "$HOME", "${HOME}")
COMPILER = "sglang.compile_deep_gemm"
FAST_WARM_UP = "SGLANG_JIT_DEEPGEMM_FAST_WARMUP"
PRECOMPILE = "SGLANG_JIT_DEEPGEMM_PRECOMPILE"

# With which DeepGEMM multiplies matrices in FP8.
GEMM_BACKENDS = (None, "auto", "deep_gemm", "flashinfer_deepgemm")
# Models, by a part of their names, whose attention finds its tokens with DeepGEMM as well.
INDEXED = ("deepseek", "glm-5", "glm5")
# What sets the shapes of DeepGEMM's kernels, with the value that need not be written.
SHAPES = ("--tp-size", "--ep-size", "--quantization")


def holding(engine: Engine, path: str) -> Mount | None:
    """The Volume that a path is in."""
    for each in engine.service.mounts:
        if is_inside(path, each.path):
            return each
    return None


@cache  # services of a stack have few folders
def is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder's, or in it."""
    return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


def sounds_like(mount: Mount, *names: str) -> bool:
    """Whether a Volume's path or its own name has one of the names in it, hyphens aside."""
    return _sounds_like(mount.path, mount.volume.name, names)


@cache
def _sounds_like(path: str, volume: str, names: tuple[str, ...]) -> bool:
    heard = f"{path} {volume}".lower().replace("-", "").replace("_", "")
    return any(name in heard for name in names)


def cache_folder(engine: SGLangEngine, cache: str) -> str:
    """Where this release keeps a cache of kernels, such as Triton's; empty: it has none."""
    if named := engine.env.get(caches.variable("sglang", cache)):
        return f"{named}/.cache/flashinfer" if cache == "FlashInfer" else named
    found = caches.default("sglang", cache, engine.release.version) or ""
    moved = engine.env.get("SGLANG_CACHE_DIR")
    return found.replace("/root/.cache/sglang/", f"{moved}/", 1) if moved else found


def deep_gemm_folder(engine: SGLangEngine) -> str:
    """Where this release keeps DeepGEMM's kernels."""
    return cache_folder(engine, "DeepGEMM")


def meant_for(engine: SGLangEngine, mount: Mount) -> str | None:
    """Whose kernels a Volume is for, as its path, its name or a build says; None: it is not."""
    if cache := caches.places("sglang").get(mount.path):
        return cache
    if sounds_like(mount, "deepgemm"):
        return "DeepGEMM"
    is_built = any(COMPILER in build.command for build in engine.image.builds)
    if not is_built or mount is holding(engine, engine.hub[0]):
        return None
    named = (*engine.env.values(), *engine.argv())
    is_named = any(is_inside(value, mount.path) for value in named)
    return None if is_named or sounds_like(mount, *HUB) else "DeepGEMM"


def compiles(engine: Engine) -> bool:
    """Whether DeepGEMM's kernels are compiled while the image is built."""
    if any(COMPILER in build.command for build in engine.image.builds):
        return True
    words = (word for step in engine.image.steps for word in step.args)
    return any(isinstance(word, str) and COMPILER in word for word in words)


def uses_deep_gemm(engine: SGLangEngine) -> bool:
    """Whether DeepGEMM compiles kernels for the model on its GPU; it has them for blocks only."""
    is_meant = engine.text("--fp8-gemm-backend") in GEMM_BACKENDS
    is_able = engine.sm in (90, 100, 103) and engine.is_jit_deepgemm
    is_in_blocks = engine.quantization == "fp8" and engine.model.block_size
    return bool(is_in_blocks) and is_meant and is_able


def compiles_all(engine: SGLangEngine) -> bool:
    """Whether a server compiles all of a shape's kernels before it is ready, in many minutes."""
    is_fast = engine.since("0.5.8") and engine.is_set(FAST_WARM_UP)
    return engine.is_set(PRECOMPILE, "1") and not is_fast


def without_deep_gemm(engine: SGLangEngine) -> str:
    """Why DeepGEMM has surely nothing to compile where it might; empty: it has, or who knows."""
    experts = engine.text("--moe-runner-backend"), engine.text("--moe-a2a-backend")
    if "deep_gemm" in experts or experts[1] or any(each in engine.path.lower() for each in INDEXED):
        return ""
    backend = engine.text("--fp8-gemm-backend")
    if engine.quantization == "modelopt_fp4":
        return "its weights are in NVFP4"
    if engine.quantization == "fp8" and backend not in GEMM_BACKENDS:
        return f"--fp8-gemm-backend is {backend}"
    return ""


@rule("INF040", severity="error", source=DEFAULTS, view=SGLangEngine.of)
def kernels_elsewhere(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A Volume for compiled kernels where this release does not keep them.

    The Volume stays empty. Kernels that are compiled while the image is built land in the image,
    which hides it; those compiled later are lost with their container (DeepGEMM's take 10 to 20
    minutes each time), and a later move of the mount meets a folder that is not empty.
    """
    for mount in engine.service.mounts:
        cache = meant_for(engine, mount)
        folder = cache_folder(engine, cache) if cache else ""
        if cache and folder and not holding(engine, folder):
            name = caches.variable("sglang", cache)
            yield Fault(
                field="kernels",
                what=f"the Volume {mount.volume.name} is at {mount.path}, and {engine.version} "
                f"keeps {cache}'s kernels in {folder}",
                fix=f"set {name}={mount.path}, which every release reads; KernelCache does so "
                "when env= is left out",
            )


@rule("INF041", severity="error", source="huggingface_hub's environment variables", view=Engine.of)
def weights_elsewhere(engine: Engine) -> Iterator[Fault]:
    """
    A Volume for the weights where the Hub's client does not keep them.

    Each container then downloads the model, at a few hundred MB/s and into its own disk.
    """
    folder, variable = engine.hub
    if holding(engine, folder):
        return
    for mount in engine.service.mounts:
        if sounds_like(mount, *HUB):
            yield Fault(
                field="weights",
                what=f"the Volume {mount.volume.name} is at {mount.path}, and the Hub's files are "
                f"kept in {folder} ({variable or 'the default'})",
                fix=f"write download_dir={mount.path!r}, or take it out"
                if variable == "--download-dir"
                else f"set HF_HUB_CACHE={mount.path}",
            )


@rule(
    "INF042",
    severity="warning",
    strict="error",
    source="https://modal.com/docs/guide/model-weights",
    view=Engine.of,
)
def weights_not_kept(engine: Engine) -> Iterator[Fault]:
    """
    Weights of the Hub without a Volume.

    Each container downloads them, at a few hundred MB/s; from a Volume they come at 1 to 2 GB/s.
    """
    path = engine.path
    folder, _ = engine.hub
    volumes = [each for each in engine.service.mounts if sounds_like(each, *HUB)]
    is_elsewhere = path.startswith(("/", "s3://", "gs://", "./"))
    if not is_elsewhere and not holding(engine, folder) and not volumes:
        yield Fault(
            field="weights",
            what=f"{path} is in no Volume",
            fix='write weights=WeightCache("huggingface-cache")',
        )


@rule(
    "INF043",
    severity="warning",
    source="modal-projects/training-gym#27; Modal's SGLang examples from 0.5.11 on",
    view=SGLangEngine.of,
)
def mount_over_files(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A Volume where SGLang's image has files of its own.

    Modal does not mount a Volume on a path that is not empty: no container starts. The images of
    lmsysorg from 0.5.11 on bring files under /root/.cache/huggingface.
    """
    mounts = [each for each in engine.service.mounts if is_inside(HUB_DEFAULT, each.path)]
    if not mounts or repository(base_tag(engine.image) or "") != SGLANG_IMAGE:
        return
    if not engine.since("0.5.11"):
        return
    if any(is_inside(HUB_DEFAULT, each) for each in cleared(engine.image)):
        return
    for mount in mounts:
        yield Fault(
            field="image",
            what=f"{mount.volume.name} is mounted at {mount.path}, and the image has files "
            + ("there" if mount.path == HUB_DEFAULT else f"in {HUB_DEFAULT}"),
            fix=f'add .run_commands("rm -rf {HUB_DEFAULT}") to the image, or mount the Volume '
            "at a path of its own",
        )


def cleared(image: Image) -> Iterator[str]:
    """The folders that the image's commands remove, or what is in them."""
    for step in image.steps:
        if step.method in ("run_commands", "dockerfile_commands"):
            for word in step.args:
                yield from _removed(word) if isinstance(word, str) else ()


@cache  # images of a stack have commands in common
def _removed(command: str) -> tuple[str, ...]:
    """The same of one command."""
    paths = (path for found in re.finditer(REMOVED, command) for path in found[1].split())
    return tuple(_from_root(path.strip("\"'")).removesuffix("/*") for path in paths)


def _from_root(path: str) -> str:
    """The path, its home written out; images run as root."""
    home, slash, rest = path.partition("/")
    return f"/root/{rest}" if slash and home in HOMES else path


@rule("INF044", severity="error", source="sglang/compile_deep_gemm.py", view=SGLangEngine.of)
def compilation_without_use(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A compilation of DeepGEMM's kernels that can't serve this service.

    DeepGEMM is for compute capability 9.0 and newer, and off with SGLANG_ENABLE_JIT_DEEPGEMM=0;
    the kernels depend on how tensors are cut, so the compilation needs the service's own flags.
    """
    for build in engine.image.builds:
        if COMPILER not in build.command:
            continue
        if 0 < engine.sm < 90:
            yield Fault(
                field="kernels",
                what=f"DeepGEMM does not run on {engine.service.gpu[0]}",
                fix="take compile_deep_gemm out, or use H100 or newer",
            )
        if not engine.is_jit_deepgemm:
            yield Fault(
                field="kernels",
                what="kernels are compiled for DeepGEMM, which SGLANG_ENABLE_JIT_DEEPGEMM=0 "
                "switches off",
                fix="take one of them out",
                severity="warning",
            )
        if reason := without_deep_gemm(engine):
            yield Fault(
                field="kernels",
                what=f"DeepGEMM's kernels are compiled, and {engine.path} needs none: {reason}",
                fix="take compile_deep_gemm out: KernelCache(...) alone keeps the other kernels",
                why="The build takes the service's GPUs for minutes, and nothing comes of it.",
                severity="warning",
            )
        if build.engine_flags == DEEP_GEMM_FLAGS:
            continue  # it is given all that matters
        copied = build.copied(engine.service.arguments)
        words = [word for each in copied for word in (each.flag, *each.values)]
        rest = build.command[build.command.index(COMPILER) + 1 :]
        given = engine.release.parse([*rest, *words]).values
        wanted = [flag for flag in SHAPES if engine.text(flag) not in (None, "1")]
        if (engine.number("--chunked-prefill-size") or 0) > 8192:
            wanted.append("--chunked-prefill-size")
        for flag in (flag for flag in wanted if given.get(flag) != engine.text(flag)):
            yield Fault(
                field="kernels",
                what=f"{flag} {engine.text(flag)}: is not given to {COMPILER}, and changes what is "
                "compiled",
                fix="give it the service's flags",
                severity="warning",
            )


@rule(
    "INF045",
    severity="warning",
    strict="error",
    source="log of sglang/compile_deep_gemm.py",
    view=SGLangEngine.of,
)
def kernels_not_kept(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A model in FP8 on Hopper or Blackwell whose kernels are compiled in every container.

    DeepGEMM compiles when it meets a shape first: 10 to 20 minutes for all of them, in each new
    container, unless a Volume keeps them. Less is lost where SGLang is told to compile few of them
    before it is ready, or none.
    """
    is_meant = any(sounds_like(mount, "deepgemm") for mount in engine.service.mounts)
    if is_meant or not uses_deep_gemm(engine) or compiles(engine):
        return
    if not holding(engine, deep_gemm_folder(engine)):
        yield Fault(
            field="kernels",
            what=f"DeepGEMM's kernels are kept in {deep_gemm_folder(engine)}, which is in no "
            "Volume",
            fix='write kernels=KernelCache.deep_gemm("deepgemm-cache")',
            severity=None if compiles_all(engine) else "info",
        )


RULES: tuple[Rule, ...] = (
    kernels_elsewhere,
    weights_elsewhere,
    weights_not_kept,
    mount_over_files,
    compilation_without_use,
    kernels_not_kept,
)
