"""What the stand-in tells of itself."""

import html
from collections.abc import Iterable

from infra.facts.plain import Value
from infra.local.engine.answers import FINGERPRINT, Answer
from infra.local.engine.engine import NOTE, Engine
from infra.local.engine.settings import Settings

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Stand-in for {engine}</title></head>
<body><h1>{model}</h1><p>{note}</p><ul>{routes}</ul></body>
</html>
"""
SECRET = ("--api-key", "--admin-api-key")


def page(settings: Settings, routes: Iterable[str]) -> str:
    """The page at /docs."""
    note = NOTE.format(engine=settings.engine, version=settings.version)
    return PAGE.format(
        engine=html.escape(settings.engine),
        model=html.escape(settings.served_model),
        note=html.escape(note),
        routes="".join(f"<li>{html.escape(route)}</li>" for route in routes),
    )


def card(engine: Engine) -> Answer:
    """The one model of /v1/models."""
    settings = engine.settings
    return {
        "id": settings.served_model,
        "object": "model",
        "created": engine.started,
        "owned_by": FINGERPRINT,
        "root": settings.served_model,
        "parent": None,
        "max_model_len": settings.context_length,
    }


def no_such_model(name: str) -> Answer:
    """What SGLang says of any other."""
    problem = {
        "message": f"The model '{name}' does not exist",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    return {"error": problem}


def server_info(engine: Engine) -> Answer:
    """The flags as given, but for keys, and the state."""
    settings, times = engine.settings, engine.settings.times
    state = {
        "last_gen_throughput": engine.metrics.gauges["gen_throughput"],
        "memory_usage": {"token_capacity": times.kv_tokens},
        "effective_max_running_requests_per_dp": settings.max_running,
    }
    if times.speculation is not None:
        state["avg_spec_accept_length"] = times.accepted_tokens
    given = {
        name.removeprefix("--").replace("-", "_"): _number(value)
        for name, value in settings.flags.values.items()
        if name not in SECRET
    }
    return {
        **given,
        "tp_size": times.tp,
        "served_model_name": settings.served_model,
        "max_total_num_tokens": times.kv_tokens,
        "internal_states": [state],
        "version": settings.version,
        "system_fingerprint": FINGERPRINT,
    }


def model_info(settings: Settings) -> Answer:
    """The model's paths."""
    return {
        "model_path": settings.model,
        "tokenizer_path": settings.flags.text("--tokenizer-path") or settings.model,
        "is_generation": True,
        "preferred_sampling_params": None,
        "weight_version": settings.flags.text("--weight-version") or "default",
        "system_fingerprint": FINGERPRINT,
    }


def _number(value: Value) -> Value | int:
    return int(value) if isinstance(value, str) and value.isdecimal() else value
