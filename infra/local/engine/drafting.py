"""The speculation that SGLang's flags ask for, with its own defaults and corrections."""

from infra.local.engine.flags import Flags, at_least
from infra.local.engine.time_model import Speculation
from infra.local.engine.weights import Weights

# Steps, candidates and draft tokens where no flag says them.
DEFAULTS = (3, 1, 4)
DEFAULTS_BEFORE_0_5_11 = (5, 4, 8)
BLOCKS = {"DFLASH": (16, 1), "DSPARK": (16, 1), "UNO": (16, 1), "NGRAM": (12, 0)}


def speculation(version: str, flags: Flags) -> Speculation | None:
    """How this engine drafts; None: it does not."""
    algorithm = (flags.text("--speculative-algorithm") or "").upper()
    tokens = flags.number("--speculative-num-draft-tokens")
    if not algorithm:
        return None
    if algorithm in BLOCKS:  # all tokens at once
        usual, passes = BLOCKS[algorithm]
        tokens = max(tokens or usual, 1)
        return Speculation(
            method=algorithm, steps=tokens - 1, passes=passes, topk=1, draft_tokens=tokens
        )
    steps = flags.number("--speculative-num-steps")
    topk = flags.number("--speculative-eagle-topk")
    if steps is None:
        steps, topk, tokens = DEFAULTS if at_least(version, "0.5.11") else DEFAULTS_BEFORE_0_5_11
    steps, topk = max(steps, 1), max(topk or 1, 1)
    if topk == 1 or tokens is None:
        tokens = steps + 1  # SGLang warns and does the same
    draft = flags.text("--speculative-draft-model-path", "--speculative-draft-model")
    built_in = draft is None or draft == flags.text("--model-path", "--model")
    return Speculation(
        method="MTP" if built_in and algorithm in ("EAGLE", "NEXTN") else algorithm,
        steps=steps,
        passes=steps,
        topk=topk,
        draft_tokens=max(tokens, 1),
        weights=Weights.of(draft) if draft is not None and algorithm == "STANDALONE" else None,
    )
