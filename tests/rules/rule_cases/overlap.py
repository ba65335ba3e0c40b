"""Cases of rules: speculative decoding that costs the overlap of scheduling and computing."""

from rule_samples import EAGLE3, Case, speculative

from components import SpeculativeDecoding

CASES = [
    Case(
        code="INF030",
        bad={
            "version": "0.5.11",
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
        },
        good={
            "version": "0.5.13.post1",
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
        },
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF030",
        bad={"version": "0.5.10.post1", "speculative": EAGLE3},
        good={
            "version": "0.5.10.post1",
            "speculative": EAGLE3,
            "environment": {"SGLANG_ENABLE_SPEC_V2": "1"},
        },
        elsewhere="0.5.11",
    ),
    Case(
        code="INF030",
        bad={
            "version": "0.5.13.post1",
            "speculative": EAGLE3,
            "environment": {"SGLANG_ENABLE_SPEC_V2": "0"},
        },
        good={"version": "0.5.13.post1", "speculative": EAGLE3},
        elsewhere="0.5.14",
    ),
    Case(
        code="INF030",
        bad={"version": "0.5.13.post1", "speculative": SpeculativeDecoding.ngram()},
        good={
            "version": "0.5.13.post1",
            "speculative": SpeculativeDecoding.ngram(),
            "flags": {"disable_overlap_schedule": True},
        },
        elsewhere="0.5.14",
    ),
    Case(
        code="INF031",
        bad={
            "version": "0.5.11",
            "speculative": EAGLE3,
            "environment": {"SGLANG_ENABLE_SPEC_V2": "1"},
        },
        good={
            "version": "0.5.11",
            "speculative": EAGLE3,
        },
        elsewhere="0.5.10.post1",
    ),
    Case(
        code="INF120",
        bad={
            "version": "0.5.10.post1",
            "speculative": speculative("EAGLE", num_steps=3, eagle_topk=4, num_draft_tokens=8),
            "environment": {"SGLANG_ENABLE_SPEC_V2": "1"},
        },
        good={
            "version": "0.5.10.post1",
            "speculative": speculative("EAGLE", num_steps=3, eagle_topk=4, num_draft_tokens=8),
        },
        elsewhere="0.5.6.post2",
    ),
]
