"""What SGLang refuses or rewrites of speculative decoding."""

from collections.abc import Iterator

from components.rules.engine import Engine, gpu_request
from components.rules.sglang_engine import EAGLE, SGLangEngine, drafting
from infra.facts.gpus import gpu
from infra.facts.models import ModelFacts
from infra.figures import counted
from infra.rules import Fault, Rule, rule

READ = "server_args.py of SGLang 0.5.6.post2, 0.5.11 and 0.5.23"
STEPS, TOPK = "--speculative-num-steps", "--speculative-eagle-topk"
TOKENS, DRAFT = "--speculative-num-draft-tokens", "--speculative-draft-model-path"

# The first release that knows each algorithm.
ALGORITHMS = {
    "EAGLE": "0.5.6",
    "EAGLE3": "0.5.6",
    "NEXTN": "0.5.6",
    "STANDALONE": "0.5.6",
    "NGRAM": "0.5.6",
    "DFLASH": "0.5.11",
    "FROZEN_KV_MTP": "0.5.12",
    "DSPARK": "0.5.16",
    "UNO": "0.5.20",
}
TREES = (*EAGLE, "STANDALONE")
# Models that never have layers of their own that guess: no engine looks for such in them.
WITHOUT_OWN = (
    *("LlamaForCausalLM", "Llama4ForConditionalGeneration", "GptOssForCausalLM"),
    *("MistralForCausalLM", "MixtralForCausalLM", "Phi3ForCausalLM"),
    *("Qwen2ForCausalLM", "Qwen2MoeForCausalLM", "Qwen3ForCausalLM"),
    *("Gemma2ForCausalLM", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"),
)


@rule("INF020", severity="warning", source=READ, view=drafting)
def draft_tokens_rewritten(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A number of draft tokens that SGLang replaces.

    With one branch per step it always checks num_steps + 1 tokens; it logs that and goes on, so
    what runs is not what the stack says.
    """
    steps, topk, tokens = (engine.number(flag) for flag in (STEPS, TOPK, TOKENS))
    if engine.algorithm in TREES and topk == 1 and steps and tokens and tokens != steps + 1:
        yield Fault(
            field="speculative",
            what=f"{TOKENS}: {tokens} runs as {steps + 1}, since {TOPK} is 1 and {STEPS} is "
            f"{steps}",
            fix=f"write num_draft_tokens={steps + 1}",
        )


@rule("INF021", severity="error", source=READ, view=drafting)
def steps_missing(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Some of steps, branches and draft tokens without the others.

    SGLang chooses all three or none: it ends with an AssertionError or a TypeError that say
    nothing.
    """
    given = [flag for flag in (STEPS, TOPK, TOKENS) if engine.number(flag) is not None]
    needed = [STEPS, TOPK] if engine.number(TOPK) in (None, 1) else [STEPS, TOPK, TOKENS]
    missing = [flag for flag in needed if flag not in given]
    is_chosen = engine.algorithm in TREES and not engine.has("--speculative-adaptive")
    if is_chosen and given and missing:
        yield Fault(
            field="speculative",
            what=f"{' and '.join(given)}: given without {' and '.join(missing)}",
            fix="write all three, or leave all three to SGLang",
        )


@rule("INF022", severity="error", source=READ, view=drafting)
def branches_refused(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Several branches per step on attention kernels that know only one.

    SGLang raises a ValueError at its start.
    """
    topk, page = engine.number(TOPK) or 1, engine.number("--page-size") or 1
    backend = engine.text("--attention-backend")
    # left to SGLang, it is flashinfer where the branches are given, and fa3 where they aren't
    ngram = backend or ("flashinfer" if engine.number(TOPK) else "")
    if engine.algorithm == "NGRAM" and page > 1 and ngram != "flashinfer":
        yield Fault(
            field="speculative",
            what=f"--page-size: is {page}; NGRAM with pages needs flashinfer",
            fix='write page_size=1 or attention_backend="flashinfer"',
        )
    if engine.algorithm not in TREES or topk == 1:
        return
    if "trtllm_mha" in engine.attention:
        yield Fault(
            field="speculative",
            what=f"{TOPK}: is {topk}; trtllm_mha takes 1 only",
            fix="write eagle_topk=1, or another --attention-backend",
        )
    good = ("flashinfer", "fa3", "triton") if engine.since("0.5.13") else ("flashinfer", "fa3")
    if page > 1 and backend and backend not in good:  # SGLang's own choice is a good one
        yield Fault(
            field="speculative",
            what=f"{TOPK}: is {topk} with --page-size {page}, which {engine.version} does on "
            f"{', '.join(good)} only",
            fix=f"write eagle_topk=1, page_size=1 or attention_backend={good[1]!r}",
        )


@rule("INF023", severity="error", source=READ, view=drafting)
def parallelism_refused(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Speculative decoding with a kind of parallelism that it does not know.

    SGLang raises an error at its start.
    """
    algorithm = engine.algorithm
    if engine.pp > 1 and algorithm != "UNO" and not _runs_in_stages(engine):
        yield Fault(
            field="speculative",
            what=f"--pp-size: is {engine.pp}; {algorithm} needs 1",
            fix="take --pp-size out and raise --tp-size",
        )
    refuses = ["STANDALONE", "NGRAM"]
    if not (engine.since("0.5.23") and engine.has("--enable-dp-lm-head")):
        refuses.append("DFLASH")
    # on one rank SGLang switches it off instead
    if algorithm in refuses and engine.attention_copies > 1:
        flag = "--attn-dp-size" if engine.text("--attn-dp-size") else "--enable-dp-attention"
        yield Fault(
            field="speculative",
            what=f"{flag}: {algorithm} does not support attention in parallel copies",
            fix="take it out, or use EAGLE",
        )


def _runs_in_stages(engine: SGLangEngine) -> bool:
    """Whether the algorithm runs with its layers in several groups: from 0.5.21 on, some do."""
    if not engine.since("0.5.21") or engine.has("--enable-multi-layer-eagle"):
        return False
    is_prefill = engine.text("--disaggregation-mode") == "prefill"
    if engine.is_set("SGLANG_ENABLE_PP_SPEC"):
        is_alone = engine.text("--disaggregation-mode") in (None, "null")
        return engine.algorithm == "EAGLE" and is_alone and engine.attention_copies == 1
    return engine.algorithm in ("EAGLE", "DSPARK") and is_prefill


def has_own_draft(facts: ModelFacts) -> bool:
    """Whether a model may have layers of its own that guess (multi-token prediction)."""
    return bool(facts.draft_layers) or facts.architecture not in WITHOUT_OWN


@rule(
    "INF024",
    severity="error",
    source="tp_worker.py of SGLang; config/speculative.py of vLLM 0.11.2 and 0.33.0",
    view=Engine.of,
)
def draft_missing(engine: Engine) -> Iterator[Fault]:
    """
    An algorithm that needs a draft model, without one.

    SGLang then takes the served model for its own draft, and fails while it loads it, or checks
    for the draft at once (DFLASH). With EAGLE it loads a model that has no layers for multi-token
    prediction a second time, whole; vLLM refuses to use mtp with it.
    """
    algorithm = engine.algorithm
    if algorithm is None or engine.draft[0]:
        return
    is_sglang, can = isinstance(engine, SGLangEngine), has_own_draft(engine.model)
    fix = f"write draft_model_path=, or use SpeculativeDecoding.{'mtp' if can else 'ngram'}()"
    if is_sglang and algorithm in ("EAGLE3", "STANDALONE", "DFLASH"):
        yield Fault(field="speculative", what=f"{algorithm}: has no {DRAFT}", fix=fix)
    elif not can and algorithm == ("EAGLE" if is_sglang else "mtp"):
        so = "loads all of it a second time as its own draft" if is_sglang else "refuses that"
        yield Fault(
            field="speculative",
            what=f"{algorithm}: has no draft model, and {engine.path} no layers that guess (MTP): "
            f"{engine.title} {so}",
            fix=fix,
            severity="warning" if is_sglang else None,
        )


@rule(
    "INF025",
    severity="error",
    source="inferred from eagle_utils.py of 0.5.11",
    view=drafting,
)
def tree_too_small(engine: SGLangEngine) -> Iterator[Fault]:
    """
    More draft tokens than the tree of drafts has.

    SGLang picks the best num_draft_tokens - 1 among eagle_topk + (num_steps - 1) * eagle_topk^2
    candidates; torch.topk fails on the first request when there are fewer.
    """
    steps, topk, tokens = (engine.number(flag) for flag in (STEPS, TOPK, TOKENS))
    if engine.algorithm in TREES and steps and topk and tokens and topk > 1:
        candidates = topk + (steps - 1) * topk**2
        if tokens - 1 > candidates:
            yield Fault(
                field="speculative",
                what=f"{TOKENS}: {tokens} needs {counted(tokens - 1, 'candidate')}, and "
                f"{counted(steps, 'step')} with {topk} branches give {candidates}",
                fix=f"write num_draft_tokens={candidates + 1}, or raise num_steps",
            )


@rule("INF026", severity="error", source=READ, view=drafting)
def algorithm_not_known(engine: SGLangEngine) -> Iterator[Fault]:
    """
    An algorithm that this release does not have.

    From 0.5.12 on the command line takes any word, since plugins may bring algorithms, and an
    unknown one fails after that. Before, the choices of the flag are checked.
    """
    algorithm = engine.algorithm
    since = ALGORITHMS.get(algorithm or "")
    if algorithm and engine.since("0.5.12") and not (since and engine.since(since)):
        known = [each for each, first in ALGORITHMS.items() if engine.since(first)]
        yield Fault(
            field="speculative",
            what=f"--speculative-algorithm: {engine.version} has no {algorithm}"
            + (f"; it comes with {since}" if since else ""),
            fix=f"write one of {', '.join(known)}"
            + ("" if since else ", or accept this when a plugin brings it"),
        )


@rule("INF027", severity="error", source="server_args.py of SGLang 0.5.11", view=drafting)
def block_sizes_differ(engine: SGLangEngine) -> Iterator[Fault]:
    """
    DFLASH with sizes that do not fit together.

    Its block is what it checks in one pass: the draft tokens must be as many, and the draft's
    window at least as long, or SGLang raises a ValueError. Steps and branches are always 1.
    """
    if engine.algorithm != "DFLASH":
        return
    tokens, block = engine.number(TOKENS), engine.number("--speculative-dflash-block-size")
    window = engine.number("--speculative-draft-window-size") or engine.number(
        "--speculative-dflash-draft-window-size"
    )
    if tokens and block and tokens != block:
        yield Fault(
            field="speculative",
            what=f"{TOKENS}: is {tokens} and --speculative-dflash-block-size {block}",
            fix="write the same number, or only one of them",
        )
    size = block or tokens
    if window and size and window < size:
        yield Fault(
            field="speculative",
            what=f"--speculative-draft-window-size: {window} is less than the block, {size}",
            fix=f"write {size} or more",
        )
    for flag in (STEPS, TOPK):
        if engine.number(flag) not in (None, 1):
            yield Fault(
                field="speculative",
                what=f"{flag}: {engine.number(flag)} runs as 1 with DFLASH",
                fix="take it out",
                severity="warning",
            )


@rule("INF028", severity="error", source="server_args.py of SGLang 0.5.23", view=drafting)
def rejection_sampling_refused(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Rejection sampling with settings that it excludes.

    It is defined for EAGLE with one branch and without relaxed acceptance; SGLang raises an error
    for anything else, but with NGRAM, DFLASH and DSPARK does not look at it.
    """
    if not engine.has("--speculative-use-rejection-sampling"):
        return
    if engine.algorithm not in EAGLE:
        is_ignored = engine.algorithm in ("NGRAM", "DFLASH", "DSPARK")
        yield Fault(
            field="speculative",
            what=f"--speculative-use-rejection-sampling: is not for {engine.algorithm}",
            fix="take it out, or use EAGLE or EAGLE3",
            severity="warning" if is_ignored else None,
        )
        return
    if (engine.number(TOPK) or 1) > 1:
        yield Fault(
            field="speculative",
            what=f"--speculative-use-rejection-sampling: {TOPK} is {engine.number(TOPK)}",
            fix="write eagle_topk=1",
        )
    for flag in ("single", "acc"):
        name = f"--speculative-accept-threshold-{flag}"
        if engine.real(name) not in (None, 1):
            yield Fault(
                field="speculative",
                what=f"{name}: is {engine.text(name)}; rejection sampling needs 1.0",
                fix="take it out",
            )


@rule("INF029", severity="error", source="server_args.py of SGLang 0.5.23", view=drafting)
def uno_refused(engine: SGLangEngine) -> Iterator[Fault]:
    """
    UNO with what it excludes.

    It runs on one GPU, from adapters of the served model, on FlashAttention 3, which SGLang picks
    by itself on Hopper only, and with one branch.
    """
    if engine.algorithm != "UNO":
        return
    for flag, number in (("--tp-size", engine.tp), ("--pp-size", engine.pp)):
        if number > 1:
            yield _of_uno(f"{flag} is {number}; it needs 1", "use 1 GPU")
    if (copies := engine.attention_copies) > 1:
        yield _of_uno(f"attention has {copies} parallel copies; it needs 1", "use 1 GPU")
    if not engine.text("--uno-lora-path"):
        yield _of_uno("has no --uno-lora-path", "write uno_lora_path=")
    if not engine.count(TOKENS):
        yield _of_uno(f"has no {TOKENS}", "write num_draft_tokens=")
    if engine.text(DRAFT):
        yield _of_uno(f"refuses {DRAFT}", "take it out")
    other = next((each for each in engine.attention if each != "fa3"), None)
    if other:
        yield _of_uno(f"needs fa3, and attention is {other}", 'write attention_backend="fa3"')
    elif "fa3" not in engine.attention:
        is_one = (engine.number(TOPK) or 1) == 1
        for found in {gpu(gpu_request(each)[0]): None for each in engine.service.gpu}:
            if found and not (is_one and found.sm == 90):
                yield _of_uno(
                    f"needs fa3, and SGLang takes another attention by itself on {found.name}"
                    + ("" if is_one else f" with {TOPK} {engine.number(TOPK)}"),
                    'write attention_backend="fa3"' if found.sm < 100 else "use an H100 or H200",
                )


def _of_uno(what: str, fix: str) -> Fault:
    return Fault(field="speculative", what=f"UNO: {what}", fix=fix)


@rule(
    "INF032",
    severity="warning",
    source="SGLang's documentation of speculative decoding; sgl-project/sglang#6949, #5274",
    view=Engine.of,
)
def too_many_for_speculation(engine: Engine) -> Iterator[Fault]:
    """
    Speculative decoding in containers that take dozens of requests at once.

    It spends idle computing power on guesses; with dozens of requests there is none, and the
    guesses slow the service down.
    """
    if not engine.algorithm:
        return
    routing, flag = engine.service.routing, engine.requests_flag
    asked, name = routing.target_inputs, "target_inputs"
    if asked is None:  # then a container gets as many as are let in
        limits = ((engine.count(flag), flag), (routing.max_inputs, "max_inputs"))
        asked, name = min((each for each in limits if each[0]), default=(0, ""))
    if asked and asked > 32 * engine.dp:
        yield Fault(
            field="engine" if name == flag else f"routing.{name}",
            what=f"{asked} requests per container with {engine.algorithm}",
            fix=f"lower {name} to {32 * engine.dp} or less, or measure without speculative "
            "decoding",
        )


RULES: tuple[Rule, ...] = (
    draft_tokens_rewritten,
    steps_missing,
    branches_refused,
    parallelism_refused,
    draft_missing,
    tree_too_small,
    algorithm_not_known,
    block_sizes_differ,
    rejection_sampling_refused,
    uno_refused,
    too_many_for_speculation,
)
