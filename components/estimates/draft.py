"""The draft model of speculative decoding: what it is, and whose memory it takes."""

import attrs

from components.rules.budget import ONE_POOL
from components.rules.engine import Engine
from components.rules.sglang_engine import SGLangEngine
from components.rules.speculative import STEPS, TOKENS, TOPK, has_own_draft
from infra.facts.models import ModelFacts, model_of

OWN_LAYERS = 1  # of a model's own multi-token prediction, if its config.json says no other number
# Ways to guess without a draft model.
UNCOUNTED = ("NGRAM", "UNO", "ngram", "suffix", "extract_hidden_states")


@attrs.frozen(kw_only=True)
class Draft:
    """
    The draft.

    Attributes:
        name: Its repository; empty: there is none, or it is a part of the model itself.
        facts: What is known of it; of none, nothing.
        is_counted: Whether the fraction set for weights and KV cache holds it, too.
        pool_layers: Layers that it adds to the KV cache within that fraction, each as large as the
            model's; None: not known.
        tokens: Tokens that a pass checks; at least, where the stack leaves it to SGLang.
    """

    name: str
    facts: ModelFacts
    is_counted: bool
    pool_layers: int | None
    tokens: int

    @classmethod
    def of(cls, engine: Engine) -> "Draft":
        """The draft of a service."""
        name = engine.draft_model
        has_draft = engine.algorithm is not None and engine.algorithm not in UNCOUNTED
        facts = model_of(name, engine.service.models) if name and has_draft else ModelFacts()
        is_late = not isinstance(engine, SGLangEngine) or engine.since(ONE_POOL)
        is_counted = has_draft and is_late
        layers: int | None = 0
        if is_counted:
            own = engine.model.draft_layers or OWN_LAYERS
            layers = facts.layers if name else own * has_own_draft(engine.model)
        steps, given = engine.count(STEPS) or 0, engine.count(TOKENS) or 0
        is_chain = engine.number(TOPK) == 1
        return cls(
            name=name or "" if has_draft else "",
            facts=facts,
            is_counted=is_counted,
            pool_layers=layers,
            tokens=steps + 1 if is_chain and steps else max(given, steps + 1),
        )
