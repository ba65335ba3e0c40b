"""Whether services that share a Volume use it alike."""

from collections.abc import Iterator, Mapping

from components.rules.caches import deep_gemm_folder, holding
from components.rules.engine import Engine
from components.rules.sglang_engine import SGLangEngine
from infra.rules import Fault, Rule, Subject, rule

WEIGHTS, KERNELS = "the Hub's files", "DeepGEMM's kernels"
FIELDS = {WEIGHTS: "weights", KERNELS: "kernels"}
Kept = tuple[str, str]  # a Volume's name and what is kept in it


def places(subject: Subject) -> Mapping[Kept, str]:
    """In which folder of which Volume a service keeps what."""
    engine = subject.view(Engine.of)
    if engine is None:
        return {}
    folders = {WEIGHTS: engine.hub[0]}
    if isinstance(engine, SGLangEngine):
        folders[KERNELS] = deep_gemm_folder(engine)
    found = {}
    for what, folder in folders.items():
        if mount := holding(engine, folder):
            inside = folder.removeprefix(mount.path).strip("/")
            found[mount.volume.name, what] = inside or "its root"
    return found


def firsts(subject: Subject) -> Mapping[Kept, Subject]:
    """The first service of the stack that keeps something in a Volume."""
    found: dict[Kept, Subject] = {}
    for each in subject.stack:
        for kept in each.view(places):
            found.setdefault(kept, each)
    return found


def shared(subject: Subject) -> Iterator[tuple[Kept, str, Subject, str]]:
    """What a service keeps where another one keeps the same: the folders of both."""
    for kept, folder in subject.view(places).items():
        first = subject.stack[0].view(firsts)[kept]
        if first is not subject:
            yield kept, folder, first, first.view(places)[kept]


@rule(
    "INF046",
    severity="warning",
    source="huggingface_hub's environment variables; environ.py of SGLang 0.5.6.post2 to 0.5.23",
)
def two_layouts(subject: Subject) -> Iterator[Fault]:
    """
    A Volume in which two services keep the same thing in different folders.

    Neither finds what the other has stored: it is downloaded or compiled, kept and paid for twice.
    HF_HOME adds a folder hub, which HF_HUB_CACHE does not; SGLang's own folders moved in 0.5.18.
    """
    for (volume, what), folder, first, other in shared(subject):
        if folder != other:
            yield Fault(
                field=FIELDS[what],
                what=f"the Volume {volume} has {what} in {folder}, and for {first.service.name} in "
                f"{other}",
                fix="set the same variable in both, as WeightCache and KernelCache do, or use two "
                "Volumes",
            )


@rule("INF047", severity="info", source="sgl-project/sglang#27604 and #32124")
def kernels_of_two_kinds(subject: Subject) -> Iterator[Fault]:
    """
    A Volume for compiled kernels that services on different releases or GPUs share.

    A kernel is for one release and one kind of GPU, so none serves the other; containers of both
    that compile at the same time write into the same folders, which can fail with EEXIST.
    """
    mine = subject.view(SGLangEngine.of)
    for (volume, what), _, first, _ in shared(subject):
        theirs = first.view(SGLangEngine.of)
        if what != KERNELS or mine is None or theirs is None:
            continue
        differs = [
            text
            for text, is_so in (
                (f"{mine.version}, not {theirs.version}", mine.version != theirs.version),
                (f"{mine.service.gpu[0]}, not {theirs.service.gpu[0]}", mine.sm != theirs.sm),
            )
            if is_so
        ]
        if differs:
            yield Fault(
                field="kernels",
                what=f"{volume} is shared with {first.service.name}, and here is "
                f"{' and '.join(differs)}",
                fix="give each a Volume of its own, named after the release and the GPU",
            )


RULES: tuple[Rule, ...] = (two_layouts, kernels_of_two_kinds)
