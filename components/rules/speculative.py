"""What SGLang refuses or rewrites of speculative decoding."""

from collections.abc import Iterator

from components.rules.engine import EAGLE, Engine, SGLangEngine, drafting
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
    algorithm, pp = engine.algorithm, engine.number("--pp-size") or 1
    if algorithm and pp > 1 and not engine.text("--disaggregation-mode"):
        yield Fault(
            field="speculative",
            what=f"--pp-size: is {pp}; {algorithm} needs 1",
            fix="take --pp-size out and raise --tp-size",
        )
    refuses = ["STANDALONE", "NGRAM"]
    if not (engine.since("0.5.23") and engine.has("--enable-dp-lm-head")):
        refuses.append("DFLASH")
    # on one rank SGLang switches it off instead
    is_dp = engine.has("--enable-dp-attention") and (engine.number("--dp-size") or 1) > 1
    if algorithm in refuses and is_dp:
        yield Fault(
            field="speculative",
            what=f"--enable-dp-attention: {algorithm} does not support it",
            fix="take it out, or use EAGLE",
        )


@rule(
    "INF024",
    severity="error",
    source="inferred from SGLang's loading of drafts",
    view=drafting,
)
def draft_missing(engine: SGLangEngine) -> Iterator[Fault]:
    """
    An algorithm that needs a draft model, without one.

    SGLang then takes the served model for its own draft, and fails while it loads it, or checks
    for the draft at once (DFLASH).
    """
    if engine.algorithm in ("EAGLE3", "STANDALONE", "DFLASH") and not engine.text(DRAFT):
        yield Fault(
            field="speculative",
            what=f"{engine.algorithm}: has no {DRAFT}",
            fix="write draft_model_path=, or use SpeculativeDecoding.mtp()",
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
                what=f"{TOKENS}: {tokens} needs {tokens - 1} candidates, and {steps} steps with "
                f"{topk} branches give {candidates}",
                fix=f"write num_draft_tokens={candidates + 1}, or raise num_steps",
            )


@rule("INF026", severity="error", source=READ, view=drafting)
def algorithm_not_known(engine: SGLangEngine) -> Iterator[Fault]:
    """
    An algorithm that this release does not have.

    From 0.5.12 on the command line takes any word, since plugins may bring algorithms, and an
    unknown one fails after that. Before, the choices of the flag are checked.
    """
    algorithm = engine.text("--speculative-algorithm")
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
        if engine.text(name) not in (None, "1", "1.0"):
            yield Fault(
                field="speculative",
                what=f"{name}: is {engine.text(name)}; rejection sampling needs 1.0",
                fix="take it out",
            )


@rule("INF029", severity="error", source="server_args.py of SGLang 0.5.23", view=drafting)
def uno_refused(engine: SGLangEngine) -> Iterator[Fault]:
    """
    UNO with what it excludes.

    It runs on one GPU, from adapters of the served model, on FlashAttention 3.
    """
    if engine.algorithm != "UNO":
        return
    if engine.tp > 1 or (engine.number("--pp-size") or 1) > 1:
        yield Fault(
            field="speculative", what=f"UNO: --tp-size is {engine.tp}; it needs 1", fix="use 1 GPU"
        )
    if not engine.text("--uno-lora-path"):
        yield Fault(
            field="speculative", what="UNO: has no --uno-lora-path", fix="write uno_lora_path="
        )
    if engine.text(DRAFT):
        yield Fault(field="speculative", what=f"UNO: refuses {DRAFT}", fix="take it out")


@rule("INF030", severity="info", source="server_args.py of SGLang 0.5.11", view=drafting)
def overlap_lost(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Several branches per step where they cost the overlap of scheduling and computing.

    From 0.5.11 to 0.5.13 speculation overlaps with scheduling, but only with one branch; with
    more, each step waits for the scheduler.
    """
    topk = engine.number(TOPK) or 1
    if engine.algorithm in TREES and topk > 1 and engine.since("0.5.11"):
        if engine.since("0.5.14"):
            return
        yield Fault(
            field="speculative",
            what=f"{TOPK}: is {topk}, so {engine.version} does not overlap scheduling",
            fix="measure eagle_topk=1 with num_steps=3 against it, or use 0.5.14 or newer",
        )


@rule(
    "INF031",
    severity="warning",
    source="environ.py of SGLang 0.5.6 to 0.5.23",
    view=SGLangEngine.of,
)
def variable_without_effect(engine: SGLangEngine) -> Iterator[Fault]:
    """
    SGLANG_ENABLE_SPEC_V2 where it changes nothing.

    It is off by default up to 0.5.10, on from 0.5.11 to 0.5.13, and not read from 0.5.14 on.
    """
    value = engine.env.get("SGLANG_ENABLE_SPEC_V2")
    if value is None:
        return
    is_on = value.lower() in ("1", "true", "yes")
    if engine.since("0.5.14"):
        so = "is no longer read"
    elif engine.since("0.5.11") and is_on:
        so = "is on by default"
    elif not engine.algorithm:
        so = "is about speculative decoding, which is not on"
    else:
        return
    yield Fault(
        field="environment",
        what=f"SGLANG_ENABLE_SPEC_V2={value}: {so} in {engine.version}",
        fix="take it out",
        severity="info",
    )


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
    target = engine.service.routing.target_inputs
    if engine.algorithm and target and target > 32:
        yield Fault(
            field="routing.target_inputs",
            what=f"{target} requests per container with {engine.algorithm}",
            fix="lower target_inputs to 32 or less, or measure without speculative decoding",
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
    overlap_lost,
    variable_without_effect,
    too_many_for_speculation,
)
