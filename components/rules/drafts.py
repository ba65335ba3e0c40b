"""What SGLang switches off or refuses beside speculative decoding."""

from collections.abc import Iterator

from components.rules.sglang_engine import SGLangEngine, drafting
from components.rules.speculative import STEPS, TOKENS, TOPK
from infra.rules import Fault, Rule, rule

HOOK = "server_args.py and speculative_hook.py of SGLang 0.5.6.post2 to 0.5.23"
BREADTH = "--speculative-ngram-max-bfs-breadth"
MIXED = ("EAGLE", "EAGLE3", "DFLASH", "DSPARK")  # from 0.5.19 on


@rule("INF033", severity="warning", source=HOOK, view=drafting)
def switched_off(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A setting that SGLang switches off or replaces beside speculative decoding.

    It logs that and goes on, so what runs is not what the stack says.
    """
    algorithm = engine.algorithm
    if engine.has("--enable-mixed-chunk"):
        is_kept = algorithm in MIXED and engine.since("0.5.19")
        if not is_kept:
            yield Fault(
                what=f"--enable-mixed-chunk: {engine.version} switches it off with {algorithm}",
                fix="take it out",
            )
    topk = engine.number(TOPK)
    breadth = engine.number(BREADTH) or engine.release.default(BREADTH)
    if algorithm == "NGRAM" and topk not in (None, breadth):
        yield Fault(
            field="speculative",
            what=f"{TOPK}: {topk} runs as {breadth} with NGRAM, which has {BREADTH} for it",
            fix=f"write speculative_ngram_max_bfs_breadth={topk} instead, or take it out",
        )
    for flag in (STEPS, TOPK) if algorithm == "DSPARK" else ():
        if engine.number(flag) not in (None, 1):
            yield Fault(
                field="speculative",
                what=f"{flag}: {engine.number(flag)} runs as 1 with DSPARK",
                fix="take it out",
            )


@rule("INF034", severity="error", source=HOOK, view=drafting)
def refused_beside_drafts(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A setting that SGLang refuses beside speculative decoding.

    It raises an error at its start.
    """
    algorithm = engine.algorithm
    if "flex_attention" in engine.attention:
        yield Fault(
            what=f"--attention-backend: flex_attention does not go with {algorithm}",
            fix="take it out; SGLang picks one for the GPU",
        )
    runner = engine.text("--speculative-moe-runner-backend")
    is_refusing = engine.since("0.5.10") and not engine.since("0.5.12")
    if runner == "flashinfer_trtllm" and is_refusing:
        yield Fault(
            what=f"--speculative-moe-runner-backend: {engine.version} refuses {runner} for drafts",
            fix='write speculative_moe_runner_backend="triton", or take it out',
        )
    tokens = engine.number(TOKENS)
    block = engine.number("--speculative-dspark-block-size")
    if algorithm == "DSPARK" and tokens and (tokens < 2 or (block and tokens != block + 1)):
        wanted = block + 1 if block else 2
        yield Fault(
            field="speculative",
            what=f"{TOKENS}: {tokens} with blocks of {block or 1}; DSPARK "
            "checks one more than a block",
            fix=f"write num_draft_tokens={wanted}, or leave it out",
        )


RULES: tuple[Rule, ...] = (switched_off, refused_beside_drafts)
