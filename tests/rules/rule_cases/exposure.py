"""Cases of rules: who may call, and what is given away."""

from rule_samples import Case, image, speculative

from components import ImageSpec, WeightCache

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
TOKEN = "hf_" + "a" * 30
DRAFT = {"num_steps": 3, "eagle_topk": 1, "num_draft_tokens": 4}
PINNED = (
    ImageSpec.from_registry(f"lmsysorg/sglang:v0.5.23@sha256:{'a' * 64}")
    .entrypoint([])
    .run_commands("rm -rf /root/.cache/huggingface")
)

CASES = [
    Case(
        code="INF100",
        bad={"environment": {"OPENAI_API_KEY": "x"}},
        good={"environment": {"TOKENIZERS_PARALLELISM": "false", "MAX_TOKENS": "8"}},
    ),
    Case(
        code="INF100",
        bad={"environment": {"HUB": TOKEN}},
        good={
            "environment": {
                "SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION": "4096",
                "HF_TOKEN_PATH": "/run/secrets/token",
                "GOOGLE_APPLICATION_CREDENTIALS": "/root/key.json",
                "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
                "OPENAI_API_KEY": "EMPTY",
            }
        },
    ),
    Case(code="INF100", bad={"environment": {"hf_token": "x"}}),
    Case(
        code="INF100",
        bad={"environment": {"DATABASE_URL": "postgres://me:word@host/db"}},
        good={"environment": {"DATABASE_URL": "postgres://me@host/db"}},
    ),
    Case(
        code="INF100",
        bad={"flags": {"api_key": "x"}},
        good={"flags": {"tokenizer_path": "/opt/tokenizer", "max_prefill_tokens": 8192}},
    ),
    Case(code="INF100", bad={"flags": {"api_key=x": True}}),
    Case(
        code="INF100",
        bad={"image": image().run_commands(f"hf auth login --token {TOKEN}")},
        good={"image": image().run_commands("hf auth login --token $HF_TOKEN")},
    ),
    Case(
        code="INF100",
        bad={
            "image": image().uv_pip_install(
                "a==1", extra_options="--extra-index-url https://me:word@host/simple"
            )
        },
        good={
            "image": image().uv_pip_install(
                "a==1", extra_options="--extra-index-url https://host/simple"
            )
        },
    ),
    Case(
        code="INF101",
        bad={"model": LLAMA, "gpu": "H100!", "weights": WeightCache("huggingface-cache")},
        good={"model": LLAMA, "gpu": "H100!"},
    ),
    Case(
        code="INF101",
        bad={
            "speculative": speculative(
                "STANDALONE", draft_model_path="meta-llama/Llama-3.2-1B", **DRAFT
            ),
            "weights": WeightCache("huggingface-cache"),
        },
        good={
            "speculative": speculative("STANDALONE", draft_model_path="Qwen/Qwen3-0.6B", **DRAFT),
            "weights": WeightCache("huggingface-cache"),
        },
    ),
    Case(
        code="INF102",
        bad={"routing": {"front_door": "http_server"}},
        good={"routing": {"front_door": "server"}},
    ),
    Case(code="INF102", bad={"routing": {"unauthenticated": True}}),
    Case(
        code="INF103",
        bad={"image": PINNED, "min_containers": 0},
        good={"image": PINNED, "min_containers": 1},
        strict=True,
    ),
    Case(code="INF104", bad={"min_containers": 1}, good={"min_containers": 0}),
]
