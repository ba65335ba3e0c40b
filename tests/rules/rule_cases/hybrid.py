"""Cases of rules: models whose layers keep a state."""

from rule_samples import HYBRID, NEMOTRON, Case

from components import SpeculativeDecoding

FALCON = "tiiuae/Falcon-H1-34B-Instruct"
KIMI = "moonshotai/Kimi-Linear-48B-A3B-Instruct"

CASES = [
    Case(
        code="INF035",
        bad={"version": "0.5.11", "model": HYBRID, "speculative": SpeculativeDecoding.mtp()},
        good={
            "version": "0.5.11",
            "model": HYBRID,
            "speculative": SpeculativeDecoding.mtp(),
            "flags": {"disable_radix_cache": True},
            "routing": {"session_affinity": False},
        },
        elsewhere="0.5.14",
    ),
    Case(
        code="INF035",
        bad={"version": "0.5.11", "model": FALCON, "speculative": SpeculativeDecoding.mtp()},
        good={
            "version": "0.5.11",
            "model": FALCON,
            "speculative": SpeculativeDecoding.mtp(),
            "flags": {"disable_radix_cache": True},
            "routing": {"session_affinity": False},
        },
        elsewhere="0.5.14",
    ),
    Case(
        code="INF036",
        bad={
            "version": "0.5.14",
            "model": HYBRID,
            "flags": {"mamba_radix_cache_strategy": "extra_buffer", "disable_radix_cache": True},
            "routing": {"session_affinity": False},
        },
        good={
            "version": "0.5.14",
            "model": HYBRID,
            "flags": {"mamba_radix_cache_strategy": "extra_buffer"},
        },
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF036",
        bad={
            "version": "0.5.15.post1",
            "model": KIMI,
            "flags": {"mamba_radix_cache_strategy": "extra_buffer"},
        },
        good={
            "version": "0.5.16",
            "model": KIMI,
            "flags": {"mamba_radix_cache_strategy": "extra_buffer"},
        },
        elsewhere="0.5.16",
    ),
    Case(
        code="INF037",
        bad={"version": "0.5.14", "model": NEMOTRON, "flags": {"attention_backend": "triton"}},
        good={"version": "0.5.14", "model": NEMOTRON},
        elsewhere="0.5.19",
    ),
    Case(
        code="INF038",
        bad={"model": HYBRID, "flags": {"mamba_radix_cache_strategy": "no_buffer"}},
        good={
            "model": HYBRID,
            "flags": {"mamba_radix_cache_strategy": "no_buffer", "disable_overlap_schedule": True},
        },
        elsewhere="0.5.13.post1",
    ),
    Case(
        code="INF038",
        bad={
            "version": "0.5.14",
            "model": KIMI,
            "flags": {"page_size": 64, "disable_overlap_schedule": True},
        },
        good={
            "version": "0.5.16",
            "model": KIMI,
            "flags": {"page_size": 64, "disable_overlap_schedule": True},
        },
        elsewhere="0.5.16",
    ),
    Case(
        code="INF038",
        bad={
            "version": "0.5.12.post1",
            "model": HYBRID,
            "flags": {"page_size": 64, "disable_overlap_schedule": True},
        },
        good={
            "version": "0.5.12.post1",
            "model": HYBRID,
            "flags": {"disable_overlap_schedule": True},
        },
        elsewhere="0.5.14",
    ),
    Case(
        code="INF038",
        bad={
            "version": "0.5.11",
            "gpu": "B200:2",
            "model": HYBRID,
            "flags": {"attention_backend": "trtllm_mha"},
        },
        good={
            "version": "0.5.11",
            "gpu": "B200:2",
            "model": HYBRID,
            "flags": {"attention_backend": "flashinfer", "disable_overlap_schedule": True},
        },
        elsewhere="0.5.14",
    ),
    Case(
        code="INF039",
        bad={"version": "0.5.13.post1", "model": HYBRID},
        good={"version": "0.5.14", "model": HYBRID},
        elsewhere="0.5.14",
    ),
    Case(
        code="INF039",
        bad={"version": "0.5.14", "model": KIMI},
        good={"version": "0.5.11", "model": KIMI},
        elsewhere="0.5.11",
    ),
]
