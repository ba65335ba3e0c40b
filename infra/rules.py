"""What is found wrong with a stack's services, by rules that look at one service each."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from inspect import cleandoc
from typing import Any, Literal

import attrs

from infra.errors import InfraError
from infra.resources import AppResources, Image, Service

Severity = Literal["error", "warning", "info"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
STALE = "INF001"


@attrs.frozen(kw_only=True)
class Fault:
    """
    What a rule has seen in a service.

    Attributes:
        what: What is so, in one sentence.
        fix: What to do.
        field: Which field of the service it is about, such as ``routing.region``, or empty.
        why: Why it matters here, where it differs from the rule's own reason.
        severity: Where it differs from the rule's own, as for another release.
    """

    what: str
    fix: str
    field: str = ""
    why: str = ""
    severity: Severity | None = None


@attrs.frozen(kw_only=True)
class Finding:
    """
    A fault with everything that its reader needs.

    Attributes:
        code: The rule's, such as ``INF020``.
        severity: An ``error`` stops an apply.
        where: The service and the field, such as ``qwen3-8b.routing.region``.
        what: What is so.
        why: Why it matters.
        fix: What to do.
        source: Where that is known from.
    """

    code: str
    severity: Severity
    where: str
    what: str
    why: str
    fix: str
    source: str


@attrs.frozen(kw_only=True, eq=False)
class Subject:
    """
    One service, as a rule sees it.

    Attributes:
        app: The App that it is in.
        service: The service.
        image: Its image.
        is_strict: Whether the stack is one that people depend on.
    """

    app: AppResources
    service: Service
    image: Image
    is_strict: bool
    _views: dict[Any, Any] = attrs.field(factory=dict, init=False)

    def view(self, make: Callable[["Subject"], Any]) -> Any:
        """The service as `make` shows it, made once for all rules."""
        try:
            return self._views[make]
        except KeyError:
            return self._views.setdefault(make, make(self))


Check = Callable[[Any], Iterable[Fault]]


@cache
def _paragraphs(check: Check) -> tuple[str, str]:
    """The docstring's first paragraph, and the others."""
    first, _, rest = cleandoc(check.__doc__ or "").partition("\n\n")
    return " ".join(first.split()), " ".join(rest.split())


@attrs.frozen(kw_only=True)
class Rule:
    """
    A rule; `rule` makes one of a function.

    Attributes:
        code: Its name for good, such as ``INF020``.
        severity: Of what it finds.
        strict: The same in a strict stack.
        source: Where it is known from.
        view: What of the subject the function is given; None from it: not for this service.
        check: The function; its docstring says in a sentence what the rule is about, then why
            that matters.
    """

    code: str
    severity: Severity
    strict: Severity
    source: str
    view: Callable[[Subject], Any] | None
    check: Check

    @property
    def title(self) -> str:
        """What the rule is about, in a sentence."""
        return _paragraphs(self.check)[0]

    @property
    def why(self) -> str:
        """Why that matters."""
        return _paragraphs(self.check)[1]

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """What the function sees in a service."""
        seen = subject if self.view is None else subject.view(self.view)
        if seen is None:
            return
        for fault in self.check(seen):
            usual = self.strict if subject.is_strict else self.severity
            yield Finding(
                code=self.code,
                severity=fault.severity or usual,
                where=".".join(filter(None, (subject.service.name, fault.field))),
                what=fault.what,
                why=fault.why or self.why,
                fix=fault.fix,
                source=self.source,
            )


def rule(
    code: str,
    *,
    severity: Severity,
    source: str,
    strict: Severity | None = None,
    view: Callable[[Subject], Any] | None = None,
) -> Callable[[Check], Rule]:
    """Make a rule of a function that is given a service and yields faults."""

    def make(check: Check) -> Rule:
        return Rule(
            code=code,
            severity=severity,
            strict=strict or severity,
            source=source,
            view=view,
            check=check,
        )

    return make


@attrs.frozen(kw_only=True)
class Accepted:
    """
    A finding that the stack's author knows of.

    Attributes:
        finding: The finding.
        reason: Why it stays.
    """

    finding: Finding
    reason: str


@attrs.frozen(kw_only=True)
class Report:
    """
    What all rules found.

    Attributes:
        findings: The worst first, then as the services and rules are ordered.
        accepted: Those that the stack accepts.
    """

    findings: tuple[Finding, ...]
    accepted: tuple[Accepted, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Those that stop an apply."""
        return tuple(each for each in self.findings if each.severity == "error")


def check(
    apps: Sequence[AppResources],
    rules: Sequence[Rule],
    *,
    accept: Mapping[str, str],
    is_strict: bool,
) -> Report:
    """
    What the rules find in a stack's services.

    Args:
        apps: The stack, lowered.
        rules: All of them, the stack's own included.
        accept: By code, why its findings stay.
        is_strict: Whether the stack is one that people depend on.

    Raises:
        InfraError: A rule fails, or two have one code.
    """
    by_code: dict[str, Rule] = {}
    for each in rules:
        if by_code.setdefault(each.code, each) is not each:
            raise InfraError(f"{each.code}: is the code of two rules; each has its own; rename one")
    found = [
        finding
        for subject in subjects(apps, is_strict)
        for each in rules
        for finding in _found(each, subject)
    ]
    hit = {finding.code for finding in found}
    left = [each for each in found if each.code not in accept]
    left += [_stale(code, by_code.get(code)) for code in accept if code not in hit]
    return Report(
        findings=tuple(sorted(left, key=lambda each: SEVERITIES.index(each.severity))),
        accepted=tuple(
            Accepted(finding=each, reason=accept[each.code])
            for each in found
            if each.code in accept
        ),
    )


def subjects(apps: Iterable[AppResources], is_strict: bool) -> Iterator[Subject]:
    """Every service with its image."""
    for app in apps:
        images = {image.name: image for image in app.images}
        for service in app.services:
            if service.name in images:
                image = images[service.name]
                yield Subject(app=app, service=service, image=image, is_strict=is_strict)


def _found(each: Rule, subject: Subject) -> tuple[Finding, ...]:
    try:
        return tuple(each.findings(subject))
    except Exception as error:
        raise InfraError(
            f"{each.code}: the rule fails on {subject.service.name} with "
            f"{type(error).__name__}: {error}; a rule yields faults; mend it or take it out"
        ) from error


def _stale(code: str, known: Rule | None) -> Finding:
    so = "matches no finding any more" if known else "is the code of no rule"
    return Finding(
        code=STALE,
        severity="warning",
        where="stack.accept",
        what=f"{code} is accepted, and {so}",
        why="An acceptance that is left behind would hide the fault when it comes back.",
        fix=f"take {code!r} out of accept=",
        source="infra",
    )
