"""Cases of rules: settings that do not go with drafts."""

from rule_samples import EAGLE3, Case, speculative

from components import SpeculativeDecoding

CASES = [
    Case(
        code="INF033",
        bad={"speculative": SpeculativeDecoding.ngram(), "flags": {"enable_mixed_chunk": True}},
        good={"speculative": EAGLE3, "flags": {"enable_mixed_chunk": True}},
    ),
    Case(
        code="INF033",
        bad={
            "version": "0.5.18",
            "speculative": EAGLE3,
            "flags": {"enable_mixed_chunk": True},
        },
        good={"version": "0.5.18", "speculative": EAGLE3},
        elsewhere="0.5.19",
    ),
    Case(
        code="INF033",
        bad={"speculative": speculative("DSPARK", num_steps=3)},
        good={"speculative": speculative("DSPARK")},
        elsewhere="0.5.11",
    ),
    Case(
        code="INF034",
        bad={"speculative": EAGLE3, "flags": {"attention_backend": "flex_attention"}},
        good={"speculative": EAGLE3, "flags": {"attention_backend": "fa3"}},
    ),
    Case(
        code="INF034",
        bad={
            "version": "0.5.11",
            "speculative": EAGLE3,
            "flags": {"speculative_moe_runner_backend": "flashinfer_trtllm"},
        },
        good={
            "version": "0.5.11",
            "speculative": EAGLE3,
            "flags": {"speculative_moe_runner_backend": "triton"},
        },
        elsewhere="0.5.12.post1",
    ),
    Case(
        code="INF034",
        bad={
            "speculative": speculative("DSPARK", num_draft_tokens=8),
            "flags": {"speculative_dspark_block_size": 8},
        },
        good={
            "speculative": speculative("DSPARK", num_draft_tokens=9),
            "flags": {"speculative_dspark_block_size": 8},
        },
        elsewhere="0.5.15.post1",
    ),
]
