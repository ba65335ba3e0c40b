"""Cases of rules: who may call, and what is given away."""

from rule_samples import Case

from components import WeightCache

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"

CASES = [
    Case(
        code="INF100",
        bad={"environment": {"OPENAI_API_KEY": "x"}},
        good={"environment": {"TOKENIZERS_PARALLELISM": "false", "MAX_TOKENS": "8"}},
    ),
    Case(code="INF100", bad={"environment": {"HUB": "hf_" + "a" * 30}}),
    Case(code="INF100", bad={"flags": {"api_key": "x"}}),
    Case(
        code="INF101",
        bad={"model": LLAMA, "gpu": "H100!", "weights": WeightCache("huggingface-cache")},
        good={"model": LLAMA, "gpu": "H100!"},
    ),
    Case(
        code="INF102",
        bad={"routing": {"front_door": "http_server"}},
        good={"routing": {"front_door": "server"}},
    ),
    Case(code="INF102", bad={"routing": {"unauthenticated": True}}),
    Case(code="INF103", bad={"min_containers": 0}, good={"min_containers": 1}, strict=True),
    Case(code="INF104", bad={"min_containers": 1}, good={"min_containers": 0}),
]
