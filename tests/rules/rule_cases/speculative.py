"""Cases of rules: speculative decoding that SGLang refuses or rewrites."""

from rule_samples import EAGLE3, Case, speculative

from components import SpeculativeDecoding

CASES = [
    Case(
        code="INF020",
        bad={"speculative": speculative(num_steps=5, eagle_topk=1, num_draft_tokens=5)},
        good={"speculative": speculative(num_steps=5, eagle_topk=1, num_draft_tokens=6)},
    ),
    Case(
        code="INF021",
        bad={"speculative": speculative(eagle_topk=4, num_draft_tokens=8)},
        good={"speculative": speculative()},
    ),
    Case(
        code="INF021",
        bad={"speculative": speculative(num_steps=3)},
        good={"speculative": speculative(num_steps=3, eagle_topk=1)},
    ),
    Case(
        code="INF021",
        bad={"speculative": speculative(num_steps=3, eagle_topk=4)},
        good={"speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8)},
    ),
    Case(
        code="INF022",
        bad={
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
            "flags": {"attention_backend": "trtllm_mha"},
            "gpu": "B200:2",
        },
        good={"speculative": EAGLE3, "flags": {"attention_backend": "trtllm_mha"}, "gpu": "B200:2"},
    ),
    Case(
        code="INF022",
        bad={
            "version": "0.5.10.post1",
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
            "flags": {
                "attention_backend": "triton",
                "page_size": 16,
            },
        },
        good={
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
            "flags": {"attention_backend": "fa3", "page_size": 16},
        },
        elsewhere="0.5.14",
    ),
    Case(
        code="INF022",
        bad={"speculative": SpeculativeDecoding.ngram(), "flags": {"page_size": 16}},
        good={"speculative": SpeculativeDecoding.ngram()},
    ),
    Case(
        code="INF023",
        bad={
            "speculative": SpeculativeDecoding.ngram(),
            "flags": {"dp_size": 2, "enable_dp_attention": True},
            "version": "0.5.21",
        },
        good={
            "speculative": SpeculativeDecoding.ngram(),
            "flags": {"enable_dp_attention": True},
            "version": "0.5.21",
        },
    ),
    Case(
        code="INF023",
        bad={
            "gpu": "H100!:4",
            "speculative": EAGLE3,
            "flags": {"tp_size": 2, "pp_size": 2},
        },
        good={"gpu": "H100!:4", "speculative": EAGLE3},
    ),
    Case(
        code="INF024",
        bad={"speculative": SpeculativeDecoding("EAGLE3")},
        good={"speculative": SpeculativeDecoding.mtp()},
    ),
    Case(
        code="INF025",
        bad={"speculative": speculative(num_steps=1, eagle_topk=4, num_draft_tokens=8)},
        good={"speculative": speculative(num_steps=2, eagle_topk=4, num_draft_tokens=8)},
    ),
    Case(
        code="INF026",
        bad={"speculative": speculative("DSPARK"), "version": "0.5.15.post1"},
        good={"speculative": speculative("DFLASH"), "version": "0.5.15.post1"},
        elsewhere="0.5.16",
    ),
    Case(
        code="INF027",
        bad={
            "speculative": speculative("DFLASH", num_draft_tokens=8),
            "flags": {"speculative_dflash_block_size": 16},
        },
        good={
            "speculative": speculative("DFLASH", num_draft_tokens=16),
            "flags": {"speculative_dflash_block_size": 16},
        },
        elsewhere="0.5.10.post1",
    ),
    Case(
        code="INF027",
        bad={
            "speculative": speculative("DFLASH", num_draft_tokens=16),
            "flags": {"speculative_draft_window_size": 8},
        },
        good={
            "speculative": speculative("DFLASH", num_draft_tokens=16),
            "flags": {"speculative_draft_window_size": 16},
        },
        elsewhere="0.5.11",
    ),
    Case(
        code="INF027",
        bad={"speculative": speculative("DFLASH", num_steps=3)},
        good={"speculative": speculative("DFLASH")},
        elsewhere="0.5.10.post1",
    ),
    Case(
        code="INF028",
        bad={
            "speculative": speculative("STANDALONE"),
            "flags": {"speculative_use_rejection_sampling": True},
        },
        good={"speculative": EAGLE3, "flags": {"speculative_use_rejection_sampling": True}},
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF029",
        bad={"speculative": SpeculativeDecoding("UNO"), "flags": {"uno_lora_path": "/lora"}},
        good={
            "speculative": SpeculativeDecoding("UNO"),
            "flags": {"uno_lora_path": "/lora"},
            "gpu": "H100!",
        },
        elsewhere="0.5.11",
    ),
    Case(
        code="INF030",
        bad={
            "version": "0.5.11",
            "speculative": speculative(num_steps=3, eagle_topk=4, num_draft_tokens=8),
        },
        good={"version": "0.5.11", "speculative": EAGLE3},
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
            "environment": {"SGLANG_ENABLE_SPEC_V2": "0"},
        },
        elsewhere="0.5.10.post1",
    ),
    Case(
        code="INF032",
        bad={"speculative": EAGLE3, "routing": {"target_inputs": 40}},
        good={"speculative": EAGLE3, "routing": {"target_inputs": 16}},
    ),
]
