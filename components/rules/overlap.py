"""What keeps SGLang from scheduling the next step while it computes one, with drafts."""

from collections.abc import Iterator

from components.rules.sglang_engine import EAGLE, SGLangEngine, drafting
from components.rules.speculative import TOPK, TREES
from infra.rules import Fault, Rule, rule

VARIABLE = "SGLANG_ENABLE_SPEC_V2"
ALONE = ("DFLASH", "NGRAM", "FROZEN_KV_MTP")  # up to 0.5.13


@rule("INF030", severity="info", source="server_args.py of SGLang 0.5.8 to 0.5.13", view=drafting)
def overlap_lost(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Speculative decoding that costs the overlap of scheduling and computing.

    Each step then waits for the scheduler. Up to 0.5.10 the overlap has to be asked for, and takes
    one branch per step; so it does up to 0.5.12. Other algorithms than EAGLE's and STANDALONE have
    none up to 0.5.13. From 0.5.14 on all have it.
    """
    if engine.since("0.5.14") or engine.has("--disable-overlap-schedule"):
        return
    topk, is_on = engine.number(TOPK), engine.is_set(VARIABLE, "1")
    if not engine.since("0.5.11"):
        # with more branches there is nothing to ask for
        is_possible = topk == 1 and engine.algorithm in TREES and engine.since("0.5.8")
        if is_possible and not engine.is_set(VARIABLE):
            yield Fault(
                field="speculative",
                what=f"{engine.version} overlaps scheduling only with {VARIABLE}=1",
                fix=f'measure environment={{"{VARIABLE}": "1"}} against it, or use 0.5.11 or newer',
            )
    elif engine.algorithm in ALONE:
        yield Fault(
            field="speculative",
            what=f"{engine.version} does not overlap scheduling with {engine.algorithm}",
            fix="use 0.5.14 or newer, or measure EAGLE against it",
        )
    elif engine.algorithm in TREES and not is_on:
        yield Fault(
            field="environment",
            what=f"{VARIABLE}={engine.env[VARIABLE]}: {engine.version} does not overlap scheduling",
            fix="take it out",
        )
    elif engine.algorithm in TREES and (topk or 1) > 1 and not engine.since("0.5.13"):
        yield Fault(
            field="speculative",
            what=f"{TOPK}: is {topk}, so {engine.version} does not overlap scheduling",
            fix="measure eagle_topk=1 with num_steps=3 against it, or use 0.5.13 or newer",
        )


@rule(
    "INF031",
    severity="info",
    source="environ.py of SGLang 0.5.6 to 0.5.23",
    view=SGLangEngine.of,
)
def variable_without_effect(engine: SGLangEngine) -> Iterator[Fault]:
    """
    SGLANG_ENABLE_SPEC_V2 where it changes nothing.

    It is off by default up to 0.5.10, on from 0.5.11 to 0.5.13, and not read from 0.5.14 on.
    """
    value = engine.env.get(VARIABLE)
    if value is None:
        return
    if engine.since("0.5.14"):
        so = "is no longer read"
    elif engine.since("0.5.11") and engine.is_set(VARIABLE):
        so = "is on by default"
    elif not engine.algorithm:
        so = "is about speculative decoding, which is not on"
    else:
        return
    yield Fault(
        field="environment",
        what=f"{VARIABLE}={value}: {so} in {engine.version}",
        fix="take it out",
    )


@rule("INF120", severity="error", source="server_args.py of SGLang 0.5.7 to 0.5.10", view=drafting)
def branches_with_overlap(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Several branches per step where SGLANG_ENABLE_SPEC_V2 is on.

    From 0.5.7 to 0.5.10 drafts that overlap with scheduling have one branch only; SGLang raises a
    ValueError at its start.
    """
    topk = engine.number(TOPK) or 1
    if topk == 1 or not engine.is_set(VARIABLE) or engine.algorithm not in TREES:
        return
    has_it = engine.since("0.5.8") or engine.algorithm in EAGLE
    if has_it and engine.since("0.5.7") and not engine.since("0.5.11"):
        yield Fault(
            field="speculative",
            what=f"{TOPK}: is {topk} with {VARIABLE}={engine.env[VARIABLE]}, which takes 1",
            fix=f"write eagle_topk=1, or take {VARIABLE} out",
        )


RULES: tuple[Rule, ...] = (overlap_lost, variable_without_effect, branches_with_overlap)
