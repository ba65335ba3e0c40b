"""Cases of rules: what may change by itself."""

from rule_samples import COMMIT, Case, image

from components import ImageSpec, SpeculativeDecoding


def sglang(tag: str) -> ImageSpec:
    """SGLang's own image of that tag, made ready for a Volume."""
    base = ImageSpec.from_registry(f"lmsysorg/sglang:{tag}").entrypoint([])
    return base.run_commands("rm -rf /root/.cache/huggingface")


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
        code="INF092",
        bad={"image": sglang("v0.5").uv_pip_install("sglang==0.5.23")},
        good={"image": sglang("v0.5.23").uv_pip_install("sglang==0.5.23")},
    ),
    Case(code="INF092", bad={"image": sglang("cu130").uv_pip_install("sglang==0.5.23")}),
    Case(
        code="INF093",
        bad={"image": image().uv_pip_install("hf-transfer")},
        good={"image": image().uv_pip_install("hf-transfer==0.1.9")},
    ),
    Case(
        code="INF093",
        bad={"image": image().uv_pip_install("git+https://github.com/an/extra.git")},
        good={"image": image().uv_pip_install("git+https://github.com/an/extra.git@v1.2.0")},
    ),
    Case(
        code="INF096",
        bad={"image": sglang("v0.5.23"), "min_containers": 1},
        good={"image": sglang(f"v0.5.23@sha256:{'a' * 64}"), "min_containers": 1},
        strict=True,
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
