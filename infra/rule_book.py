"""Rules as a reader meets them: each with its topic, its reasons and an example."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import attrs

from infra.rules import Rule, Severity, acceptance_left_behind

OWN = "The stack's own rules."


@attrs.frozen(kw_only=True)
class Example:
    """
    What a rule finds in a service that is right but for one thing.

    Attributes:
        stack: That thing, as it stands in a stack file.
        severity: Of the finding.
        where: The service, which is called ``sample``, and its field.
        what: What is so.
        fix: What to do.
    """

    stack: str
    severity: Severity
    where: str
    what: str
    fix: str


@attrs.frozen(kw_only=True)
class Entry:
    """
    A rule, told whole.

    Attributes:
        code: Its name for good.
        topic: What it and its neighbours are about.
        severity: Of what it finds.
        strict: The same in a strict stack.
        title: What it is about, in a sentence.
        why: Why that matters.
        source: Where that is known from.
        example: A stack that has such a finding; None: a stack's own rule has none.
    """

    code: str
    topic: str
    severity: Severity
    strict: Severity
    title: str
    why: str
    source: str
    example: Example | None

    @property
    def levels(self) -> str:
        """Both severities, in few words."""
        return self.severity + (f", strict: {self.strict}" if self.strict != self.severity else "")


def entries(rules: Sequence[Rule] | None = None) -> tuple[Entry, ...]:
    """
    Rules as entries, that about the stack's acceptances first.

    Args:
        rules: Those of a stack, as `Project.rules` gives them; None: those of the components.
    """
    shipped = _shipped()
    known = shipped if rules is None else (acceptance_left_behind, *rules)
    return tuple(
        Entry(
            code=each.code,
            topic=each.topic if each in shipped else OWN,
            severity=each.severity,
            strict=each.strict,
            title=each.title,
            why=each.why,
            source=each.source,
            example=_examples().get(each.code) if each in shipped else None,
        )
        for each in known
    )


def by_topic(entries: Sequence[Entry]) -> Mapping[str, Sequence[Entry]]:
    """The entries under their topics, in their order."""
    topics: dict[str, list[Entry]] = {}
    for each in entries:
        topics.setdefault(each.topic, []).append(each)
    return topics


@cache
def _shipped() -> tuple[Rule, ...]:
    from components.rules import RULES  # the one place where infra looks at its components

    return (acceptance_left_behind, *RULES)


@cache
def _examples() -> Mapping[str, Example]:
    """By code; `scripts/rules` makes them of the tests' cases."""
    text = files("components.rules").joinpath("examples.json").read_text("utf-8")
    known: dict[str, dict[str, Any]] = json.loads(text)
    return {
        code: Example(**{**example, "stack": "\n".join(example["stack"])})
        for code, example in known.items()
    }
