"""What vLLM refuses, ignores or does not find, beside what holds for every engine."""

from collections.abc import Iterator

from components.image import SERVING
from components.rules.caches import holding, is_inside
from components.rules.engine import base_tag
from components.rules.vllm_engine import VLLMEngine, counted
from infra.facts import caches
from infra.facts.vllm import LARGEST, SIZES, SPECULATIVE
from infra.rules import Fault, Rule, rule

READ = "vLLM 0.11.2 to 0.33.0"
DRAFTS = ("eagle", "eagle3", "draft_model", "dflash", "medusa", "mlp_speculator")
COUNTED_ITSELF = ("suffix",)
HIGH, LOW = 0.95, 0.5
# Flags whose servers do not answer plain HTTP on the service's port.
UNREACHABLE = {
    "--headless": "starts no server",
    "--grpc": "answers gRPC only",
    "--uds": "listens on a socket of the file system",
    "--ssl-certfile": "answers HTTPS only",
}
# By flag of a parser: a plugin that brings more of them, and the switch without which it is idle.
PARSERS = (
    ("--tool-call-parser", "--tool-parser-plugin", "--enable-auto-tool-choice"),
    ("--reasoning-parser", "--reasoning-parser-plugin", ""),
)


@rule("INF110", severity="error", source=f"vllm/config/cache.py of {READ}", view=VLLMEngine.of)
def share_of_memory(engine: VLLMEngine) -> Iterator[Fault]:
    """
    A share of the GPUs' memory that is none, or leaves too much or too little.

    vLLM takes it for weights, activations and KV cache, from 0.21 on for CUDA graphs as well, and
    refuses what is not above 0 and at most 1. CUDA itself comes on top; a container has its GPUs to
    itself, so a small share leaves memory for which nobody has a use.
    """
    share, flag = engine.share, "--gpu-memory-utilization"
    if not 0 < share <= 1:
        yield Fault(
            what=f"{flag}: is {share:g}, and vLLM takes more than 0 and 1 at the most",
            fix="write 0.9, or take it out",
        )
    elif share > HIGH:
        rest = "CUDA itself" if engine.counts_graphs else "CUDA graphs and all else"
        yield Fault(
            what=f"{flag}: {share:g} leaves {1 - share:.0%} for {rest}",
            fix=f"write {HIGH} or less, or accept it with the load test that shows it holds",
            severity="warning",
        )
    elif share < LOW and not engine.text("--kv-cache-memory-bytes"):
        yield Fault(
            what=f"{flag}: {share:g} leaves {1 - share:.0%} of each GPU without use",
            fix="take it out, or use a smaller GPU",
            severity="warning",
        )


@rule("INF111", severity="error", source=f"vllm/envs.py of {READ}", view=VLLMEngine.of)
def compiled_elsewhere(engine: VLLMEngine) -> Iterator[Fault]:
    """
    A Volume for what vLLM compiles, where it does not look or keeps nothing.

    The Volume stays empty, and every container compiles the model's graphs again. What other
    libraries compile may be in the same Volume, and is kept.
    """
    is_off = engine.env.get("VLLM_DISABLE_COMPILE_CACHE", "0") not in ("", "0")
    mount, own = holding(engine, engine.cache_root), caches.variable("vllm", "torch.compile")
    others = (value for name, value in engine.env.items() if name != own)
    if mount and is_off and not any(is_inside(value, mount.path) for value in others):
        yield Fault(
            field="kernels",
            what=f"the Volume {mount.volume.name} is for what VLLM_DISABLE_COMPILE_CACHE does not "
            "let vLLM keep",
            fix="take one of them out",
            severity="info",
        )
    for each in () if mount else engine.service.mounts:
        if "vllm" in (each.path + each.volume.name).lower() and not _is_used(engine, each.path):
            yield Fault(
                field="kernels",
                what=f"the Volume {each.volume.name} is at {each.path}, and vLLM keeps what it "
                f"compiles in {engine.cache_root}",
                fix=f"set VLLM_CACHE_ROOT={each.path}; KernelCache does so when env= is left out",
            )


@rule(
    "INF112",
    severity="info",
    source="https://docs.vllm.ai/en/latest/design/torch_compile/",
    view=VLLMEngine.of,
)
def compiled_again(engine: VLLMEngine) -> Iterator[Fault]:
    """
    Graphs that torch.compile makes in every container.

    vLLM compiles the model when it starts, and loads what it compiled the next time, if that was
    kept.
    """
    is_said = any("vllm" in (each.path + each.volume.name) for each in engine.service.mounts)
    if not is_said and engine.is_compiled and not holding(engine, engine.cache_root):
        yield Fault(
            field="kernels",
            what=f"what vLLM compiles is kept in {engine.cache_root}, which is in no Volume",
            fix='write kernels=KernelCache("vllm-cache")',
        )


@rule(
    "INF113", severity="error", source=f"vllm/config/speculative.py of {READ}", view=VLLMEngine.of
)
def drafts_refused(engine: VLLMEngine) -> Iterator[Fault]:
    """
    Speculative decoding that vLLM does not start with.

    The parser takes any JSON object; a ValueError comes when the engine is configured.
    """
    given, known = engine.speculative, engine.release.known(SPECULATIVE)
    method = engine.algorithm
    if method is None:
        return
    if method not in known:
        yield Fault(
            field="speculative",
            what=f"{method}: is no method of {engine.version}",
            fix=_nearest(method, known),
        )
    elif method in DRAFTS and not given.get("model"):
        yield Fault(
            field="speculative",
            what=f"{method}: has no draft model",
            fix="write draft_model_path=, or use SpeculativeDecoding.mtp()",
        )
    elif method == "draft_model" and not engine.since("0.15.0"):
        is_guess = not given.get("method")
        yield Fault(
            field="speculative",
            what=f"{engine.version} has no draft models but EAGLE's and their kin",
            fix="use an image of 0.15.0 or newer, or another method",
            severity="warning" if is_guess else None,
            why="The draft's own files may name another method, such as Medusa." * is_guess,
        )
    elif (tokens := given.get("num_speculative_tokens")) and not counted(tokens):
        yield Fault(
            field="speculative",
            what=f"num_speculative_tokens: is {tokens!r}; a whole number, 1 or more, is allowed",
            fix="write num_steps=",
        )
    elif not tokens and method not in COUNTED_ITSELF:
        yield Fault(
            field="speculative",
            what=f"{method}: the number of guessed tokens is not given",
            fix="write num_steps=",
            severity="warning" if given.get("model") else None,
            why="vLLM takes it from the draft model's configuration, or ends where that has none.",
        )


@rule(
    "INF114", severity="error", source=f"vllm/tool_parsers, reasoning: {READ}", view=VLLMEngine.of
)
def parser_not_known(engine: VLLMEngine) -> Iterator[Fault]:
    """
    A parser of tool calls or of reasoning that this release does not have, or does not use.

    Plugins may bring parsers, so the command line takes any word; the server ends with a KeyError
    after that.
    """
    for flag, plugin, switch in PARSERS:
        word = engine.text(flag)
        if not word:
            continue
        is_idle, is_none = switch and not engine.has(switch), word.lower() == "none"
        if is_none and (is_idle or (not switch and engine.since("0.16.0"))):
            continue
        known = engine.release.known(flag)
        if is_idle:
            yield Fault(
                what=f"{flag}: has no effect without {switch}",
                fix=f"add {switch}, or take {flag} out",
                severity="warning",
                why="The model's calls of tools reach the client as text.",
            )
        elif word not in known and not engine.text(plugin):
            yield Fault(
                what=f"{flag}: {engine.version} has no parser {word}",
                fix=f"take {switch or flag} out" if is_none else _nearest(word, known),
            )


@rule("INF116", severity="warning", source=f"pydantic's dataclasses of {READ}", view=VLLMEngine.of)
def field_not_known(engine: VLLMEngine) -> Iterator[Fault]:
    """
    A key in a flag's JSON that this release does not have, or sizes of CUDA graphs that are none.

    Up to 0.15 vLLM leaves it unread, so the setting has no effect; later it refuses the whole.
    """
    for flag in engine.parsed.values:
        fields = engine.release.fields(flag)
        for key in engine.settings(flag) if fields else ():
            if key not in fields:
                yield Fault(
                    field="speculative" if flag == SPECULATIVE else "",
                    what=f"{flag}: {engine.version} has no {key} in it",
                    fix=_nearest(key, fields),
                    severity="error" if engine.since("0.16.0") else None,
                )
    sizes, largest = (engine.graph_sizes[name] for name in (SIZES, LARGEST))
    if sizes is not None and not (isinstance(sizes, list) and None not in map(counted, sizes)):
        yield Fault(
            what=f"{SIZES}: is {sizes!r}; a list of whole numbers is allowed",
            fix="write [1, 2, 4, 8], for example, or take it out",
            severity="error",
        )
    if largest is not None and counted(largest) is None:
        yield Fault(
            what=f"{LARGEST}: is {largest!r}; a whole number is allowed",
            fix="write one, or take it out",
            severity="error",
        )


@rule("INF117", severity="error", source=f"vllm/entrypoints of {READ}", view=VLLMEngine.of)
def not_reachable(engine: VLLMEngine) -> Iterator[Fault]:
    """
    A server that Modal can't reach.

    The container waits for /health on the service's port, over HTTP, until its time is up.
    """
    for flag, why in UNREACHABLE.items():
        if engine.parsed.values.get(flag):
            yield Fault(what=f"{flag}: {why}", fix="take it out")


@rule("INF118", severity="info", source="vLLM's --config", view=VLLMEngine.of)
def flags_in_a_file(engine: VLLMEngine) -> Iterator[Fault]:
    """
    Flags in a file of the image.

    A plan neither checks nor compares them: a change in the file shows as a change of the image at
    best.
    """
    if name := engine.text("--config"):
        yield Fault(
            what=f"--config: what stands in {name} is not seen",
            fix="write its flags in VLLM(...)",
        )


@rule(
    "INF119",
    severity="error",
    source="https://modal.com/docs/guide/existing-images; docker/Dockerfile of vLLM",
    view=VLLMEngine.of,
)
def image_starts_itself(engine: VLLMEngine) -> Iterator[Fault]:
    """
    An image whose entry point is the server.

    Modal starts its own process with the image's entry point, which has to run what it is given;
    that of vLLM's image takes it for the name of a model.
    """
    cleared = any(step.method == "entrypoint" and step.args == ([],) for step in engine.image.steps)
    if SERVING in (base_tag(engine.image) or "") and not cleared:
        yield Fault(
            field="image",
            what=f"{base_tag(engine.image)} starts a server by itself",
            fix="add .entrypoint([]) to the image",
        )


def _is_used(engine: VLLMEngine, path: str) -> bool:
    """Whether weights or another cache lie in a mount."""
    folders = (engine.hub[0], *(value for value in engine.env.values() if value.startswith("/")))
    return any(f"{each}/".startswith(path.rstrip("/") + "/") for each in folders)


def _nearest(word: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches  # for what is wrong only

    near = get_close_matches(word, known, n=1, cutoff=0.7)
    if near:
        return f"write {near[0]!r}, if that is meant"
    few, more = ", ".join(known[:20]), len(known) - 20
    return f"write one of {few}" + (f" and {more} more" if more > 0 else "")


RULES: tuple[Rule, ...] = (
    share_of_memory,
    compiled_elsewhere,
    compiled_again,
    drafts_refused,
    parser_not_known,
    field_not_known,
    not_reachable,
    flags_in_a_file,
    image_starts_itself,
)
