"""Cases of rules: speculative decoding that SGLang refuses or rewrites."""

from rule_samples import COMMIT, EAGLE3, FP8, Case, kernels, speculative

from components import VLLM, SpeculativeDecoding

UNO = SpeculativeDecoding("UNO", num_draft_tokens=8)
MTP = "XiaomiMiMo/MiMo-7B-RL"  # with its own draft layers

CASES = [
    Case(
        code="INF020",
        bad={"speculative": speculative(num_steps=5, eagle_topk=1, num_draft_tokens=5)},
        good={"speculative": speculative(num_steps=5, eagle_topk=1, num_draft_tokens=6)},
    ),
    Case(
        code="INF020",
        bad={
            "version": "0.5.12.post1",
            "flags": {
                "speculative_algorithm": "eagle3",
                "speculative_draft_model_path": "a/draft",
                "speculative_draft_model_revision": COMMIT,
                "speculative_num_steps": 5,
                "speculative_eagle_topk": 1,
                "speculative_num_draft_tokens": 5,
            },
        },
        elsewhere="0.5.11",
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
        code="INF023",
        bad={
            "gpu": "H100!:4",
            "speculative": EAGLE3,
            "flags": {"tp_size": 2, "pp_size": 2, "disaggregation_mode": "null"},
        },
        good={
            "gpu": "H100!:4",
            "speculative": speculative("EAGLE"),
            "flags": {"tp_size": 2, "pp_size": 2, "disaggregation_mode": "prefill"},
        },
    ),
    Case(
        code="INF023",
        bad={
            "version": "0.5.20",
            "gpu": "H100!:4",
            "speculative": speculative("EAGLE"),
            "flags": {"tp_size": 2, "pp_size": 2, "disaggregation_mode": "prefill"},
        },
        good={
            "version": "0.5.21",
            "gpu": "H100!:4",
            "speculative": speculative("EAGLE"),
            "flags": {"tp_size": 2, "pp_size": 2},
            "environment": {"SGLANG_ENABLE_PP_SPEC": "1"},
        },
        elsewhere="0.5.21",
    ),
    Case(
        code="INF023",
        bad={"speculative": SpeculativeDecoding.ngram(), "flags": {"attn_dp_size": 2}},
        good={"speculative": EAGLE3, "flags": {"attn_dp_size": 2}},
        elsewhere="0.5.21",
    ),
    Case(
        code="INF024",
        bad={"speculative": SpeculativeDecoding("EAGLE3")},
        good={"speculative": SpeculativeDecoding.ngram()},
    ),
    Case(  # loaded twice
        code="INF024",
        bad={"model": FP8, "speculative": SpeculativeDecoding.mtp(), "kernels": kernels()},
        good={"model": MTP, "speculative": SpeculativeDecoding.mtp()},
    ),
    Case(
        code="INF024",
        bad={"engine": VLLM(), "model": FP8, "speculative": SpeculativeDecoding.mtp(num_steps=1)},
        good={"engine": VLLM(), "model": MTP, "speculative": SpeculativeDecoding.mtp(num_steps=1)},
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
        code="INF028",
        bad={
            "speculative": EAGLE3,
            "flags": {
                "speculative_use_rejection_sampling": True,
                "speculative_accept_threshold_acc": "0.9",
            },
        },
        good={
            "speculative": EAGLE3,
            "flags": {
                "speculative_use_rejection_sampling": True,
                "speculative_accept_threshold_acc": "1.00",
            },
        },
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF029",
        bad={"speculative": UNO, "flags": {"uno_lora_path": "/lora"}},
        good={"speculative": UNO, "flags": {"uno_lora_path": "/lora"}, "gpu": "H100!"},
        elsewhere="0.5.11",
    ),
    Case(
        code="INF029",
        bad={"speculative": UNO, "flags": {"uno_lora_path": "/lora"}, "gpu": "B200"},
        good={"speculative": UNO, "flags": {"uno_lora_path": "/lora"}, "gpu": "H200"},
        elsewhere="0.5.11",
    ),
    Case(
        code="INF029",
        bad={
            "speculative": UNO,
            "flags": {"uno_lora_path": "/lora", "attention_backend": "flashinfer"},
            "gpu": "H100!",
        },
        good={
            "speculative": UNO,
            "flags": {"uno_lora_path": "/lora", "attention_backend": "fa3"},
            "gpu": "A100-80GB",
        },
        elsewhere="0.5.11",
    ),
    Case(
        code="INF029",
        bad={
            "speculative": UNO,
            "flags": {"uno_lora_path": "/lora", "tp_size": 1, "pp_size": 2},
        },
        elsewhere="0.5.11",
    ),
    Case(
        code="INF032",
        bad={"speculative": EAGLE3, "routing": {"target_inputs": 40}},
        good={"speculative": EAGLE3, "routing": {"target_inputs": 16}},
    ),
    Case(
        code="INF032",
        bad={
            "speculative": EAGLE3,
            "flags": {"max_running_requests": 256},
            "routing": {"target_inputs": None},
        },
        good={
            "speculative": EAGLE3,
            "flags": {"max_running_requests": 256},
            "routing": {"target_inputs": None, "max_inputs": 32},
        },
    ),
]
