"""What was measured in, text for a reader and JSON for a program out."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import attrs

from infra.local.engine.answers import FINGERPRINT
from infra.probing.answer import Answer
from infra.probing.load import Tally
from infra.probing.readiness import Ready
from infra.probing.services import Service
from infra.probing.times import Percentiles, Times
from infra.text import table, value_text

FORMAT = "1.0"
_COLUMNS = ("p50", "p90", "p95", "p99", "max")


@attrs.frozen(kw_only=True)
class Chats:
    """
    A service that was met.

    Attributes:
        service: Which one.
        ready: When it answered, and with which model.
        turns: The answers of one conversation; never empty.
    """

    service: Service
    ready: Ready
    turns: Sequence[Answer]

    @property
    def is_simulated(self) -> bool:
        """Whether the engine is the stand-in of rehearsals."""
        return self.turns[0].fingerprint == FINGERPRINT

    @property
    def speed(self) -> str | None:
        """Of the stand-in's modelled time: a factor, ``off``, or None: there is none."""
        return self.turns[0].speed if self.is_simulated else None


def title(service: Service) -> str:
    """Which service is meant, on one line."""
    if service.name is None:
        return service.url
    return f"{service.name} of stack {service.stack} on {service.target}: {service.url}"


def ready_text(ready: Ready) -> str:
    """How long that took, and what answers."""
    return f"ready after {_time(ready.seconds)}: {value_text(ready.model)}"


def chats_text(chats: Chats) -> str:
    """The first answer's figures, and where the conversation went."""
    lines = table(list(_chat_rows(chats))).splitlines()
    cut = [each for each in chats.turns if each.is_cut_short]
    if cut:
        lines.append(
            f"warning: the engine has ended {len(cut)} of {len(chats.turns)} answers for want of "
            f"room, the first after {_number(cut[0].completion_tokens)} tokens: its context length "
            "or its KV cache is too small"
        )
    if chats.is_simulated:
        lines.append(_simulated(chats.speed))
        if chats.turns[0].doubts:
            lines.append(f"It guesses: {chats.turns[0].doubts}.")
    return "\n".join(lines)


def _simulated(speed: str | None) -> str:
    times = {
        None: "its times are modelled",
        "1": "its times are modelled",
        "off": "it models no times (INFRA_SIMULATED_SPEED=off)",
    }.get(speed, f"its times are modelled, {speed} times as fast (INFRA_SIMULATED_SPEED={speed})")
    return f"The engine is infra's stand-in: {times}, and its text is not a model's."


def load_text(tally: Tally, concurrency: int) -> str:
    """How many answers there were, how fast they came, and what became of the others."""
    failed = tally.failures.total()
    if not tally.answers + failed:
        return f"{concurrency} at once: it ended before the first answer"
    head = (
        f"{concurrency} at once for {_time(tally.seconds)}: {tally.answers + failed} requests, "
        f"{failed} failed"
    )
    lines = [head, *(f"  {count} {kind}" for kind, count in tally.failures.most_common())]
    if not tally.answers:
        return "\n".join(lines)
    rate = f"{_rate(tally.answers, tally.seconds)} answers/s"
    tokens = f", {_rate(tally.tokens, tally.seconds)} tokens/s" if tally.tokens else ""
    lines.append(f"{rate}{tokens}")
    if tally.cut_short:
        lines.append(f"warning: the engine has ended {tally.cut_short} of them for want of room")
    lines += [f"  {count} by {replica}" for replica, count in tally.replicas.most_common()]
    return "\n".join([*lines, "", table([("", *_COLUMNS), *_load_rows(tally)])])


def document(chats: Chats, tally: Tally | None, concurrency: int | None) -> dict[str, Any]:
    """All figures as plain data; ``infra/schemas/probe.schema.json`` describes it."""
    service, first = chats.service, chats.turns[0]
    return {
        "format_version": FORMAT,
        "infra_version": version("infra"),
        "target": service.target,
        "stack": service.stack,
        "service": service.name,
        "url": service.url,
        "model": chats.ready.model,
        "simulated": chats.is_simulated,
        "simulated_speed": _speed(chats.speed),
        "simulated_doubts": chats.turns[0].doubts if chats.is_simulated else None,
        "ready_after": _micro(chats.ready.seconds),
        "chat": {
            "time_to_first_token": _micro(first.first),
            "between_events": _percentiles(_times(first.gaps)),
            "per_token": None if first.per_token is None else _micro(first.per_token),
            "total": _micro(first.total),
        },
        "turns": [
            {
                "time_to_first_token": _micro(each.first),
                "prompt_tokens": each.prompt_tokens,
                "completion_tokens": each.completion_tokens,
                "cached_tokens": each.cached_tokens,
                "cut_short": each.is_cut_short,
                "replica": each.replica,
            }
            for each in chats.turns
        ],
        "same_replica": _same_replica(chats.turns),
        "load": None if tally is None else _load(tally, concurrency),
    }


def _speed(word: str | None) -> float | str | None:
    return float(word) if word and word != "off" else word


def _load(tally: Tally, concurrency: int | None) -> dict[str, Any]:
    return {
        "concurrency": concurrency,
        "seconds": _micro(tally.seconds),
        "answers": tally.answers,
        "cut_short": tally.cut_short,
        "failures": dict(tally.failures),
        "completion_tokens": tally.tokens,
        "replicas": dict(tally.replicas),
        "time_to_first_token": _percentiles(tally.first),
        "between_events": _percentiles(tally.gaps),
        "per_token": _percentiles(tally.per_token),
        "total": _percentiles(tally.total),
    }


def _chat_rows(chats: Chats) -> Iterator[tuple[str, str]]:
    first = chats.turns[0]
    yield "time to first token", _time(first.first)
    gaps = _times(first.gaps).percentiles()
    if gaps:
        yield (
            "between events",
            f"{_time(gaps.p50)} median, {_time(gaps.p95)} p95, {_time(gaps.max)} max{_step(first)}",
        )
    if first.per_token:
        yield "per token", f"{_time(first.per_token)}, {_rate(1, first.per_token)} tokens/s"
    counts = f"{_number(first.prompt_tokens)} in, {_number(first.completion_tokens)} out"
    yield "tokens", f"{counts}, {_time(first.total)} in all"
    yield "replica", first.replica or "not told; only a rehearsal's router names it"
    yield "session", _session(chats)


def _step(answer: Answer) -> str:
    """How many tokens an event brings, where these are several."""
    each = (answer.completion_tokens or 0) / (len(answer.gaps) + 1)
    return f"; an event brings {each:.1f} tokens" if each >= 1.05 else ""


def _session(chats: Chats) -> str:
    turns = chats.turns
    if not chats.service.is_sticky:
        return "the stack uses no session affinity"
    head = f"{len(turns)} turns"
    same = _same_replica(turns)
    if same is not None:
        head += (
            ", all met that replica" if same else f": {', '.join(str(x.replica) for x in turns)}"
        )
    if all(each.cached_tokens is None for each in turns):
        return (
            f"{head}; cached tokens not told (SGLang tells with --enable-cache-report, vLLM with "
            "--enable-prompt-tokens-details)"
        )
    cached = ", ".join(
        f"{each.cached_tokens or 0} of {_number(each.prompt_tokens)}" for each in turns
    )
    return f"{head}; cached tokens: {cached}"


def _same_replica(turns: Sequence[Answer]) -> bool | None:
    """None: that can't be told."""
    replicas = {each.replica for each in turns}
    return None if None in replicas or len(turns) == 1 else len(replicas) == 1


def _load_rows(tally: Tally) -> Iterator[tuple[str, ...]]:
    named = {
        "time to first token": tally.first,
        "between events": tally.gaps,
        "per token": tally.per_token,
        "whole answer": tally.total,
    }
    for name, times in named.items():
        found = times.percentiles()
        if found:
            yield name, *(_time(getattr(found, column)) for column in _COLUMNS)


def _times(seconds: Sequence[float]) -> Times:
    times = Times()
    for each in seconds:
        times.add(each)
    return times


def _percentiles(times: Times) -> dict[str, float] | None:
    found: Percentiles | None = times.percentiles()
    return attrs.asdict(found) if found else None


def _micro(seconds: float) -> float:
    """To microseconds: what is finer is noise."""
    return round(seconds, 6)


def _time(seconds: float) -> str:
    """Three digits, in the unit that suits."""
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def _rate(count: int, seconds: float) -> str:
    """How many a second, in three digits or in whole ones."""
    rate = count / seconds
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _number(count: int | None) -> str:
    return "?" if count is None else str(count)
