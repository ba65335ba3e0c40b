"""Cases of rules: what may change by itself."""

from rule_samples import COMMIT, Case, image

from components import ImageSpec, SpeculativeDecoding

CASES = [
    Case(code="INF090", bad={"revision": None}, good={"revision": COMMIT}),
    Case(code="INF090", bad={"revision": "main"}),
    Case(
        code="INF091",
        bad={"speculative": SpeculativeDecoding.eagle3("a/draft")},
        good={"speculative": SpeculativeDecoding.eagle3("a/draft", draft_model_revision=COMMIT)},
    ),
    Case(
        code="INF092",
        bad={
            "image": ImageSpec.from_registry("nvcr.io/nvidia/engine:latest").uv_pip_install(
                "sglang==0.5.23"
            )
        },
        good={
            "image": ImageSpec.from_registry("nvcr.io/nvidia/engine:25.01").uv_pip_install(
                "sglang==0.5.23"
            )
        },
    ),
    Case(
        code="INF093",
        bad={"image": image().uv_pip_install("hf-transfer")},
        good={"image": image().uv_pip_install("hf-transfer==0.1.9")},
    ),
    Case(
        code="INF094",
        bad={"revision": None, "flags": {"trust_remote_code": True}},
        good={"revision": COMMIT, "flags": {"trust_remote_code": True}},
    ),
    Case(
        code="INF095",
        bad={"flags": {"tokenizer_path": "a/tokenizer"}},
        good={"flags": {"tokenizer_path": "/opt/tokenizer"}},
    ),
]
