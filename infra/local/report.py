"""A rehearsal's status in, its text for people out."""

import time
from collections.abc import Sequence

from infra.local.status import ServiceStatus, Status
from infra.text import harmless, table

_NOTHING = "Nothing is deployed yet: infra apply STACK --target local"


def summary(status: Status) -> str:
    """Where everything answers, and what it runs."""
    lines = [
        f"Local control plane at {status.url}, state in {status.root}",
        'For `modal` in another shell: eval "$(infra local env)"',
    ]
    lines += [_speed(status.speed), *filter(None, [status.notice])]
    rows = [
        (_app(each), each.called, runs(each), _replicas(each), each.url) for each in status.services
    ]
    header = ("APP", "SERVICE", "RUNS", "REPLICAS", "URL")
    return harmless("\n".join([*lines, "", table([header, *rows]) if rows else _NOTHING, ""]))


def status_text(status: Status) -> str:
    """What goes on now."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.since))
    lines = [f"Local control plane at {status.url}, pid {status.pid}, since {since}"]
    rows = [
        (
            _app(each),
            each.called,
            f"v{each.version}",
            f"{each.ready}/{each.wanted}",
            str(each.in_flight),
            each.url,
        )
        for each in status.services
    ]
    lines.append(_speed(status.speed))
    header = ("APP", "SERVICE", "VERSION", "READY/WANTED", "IN FLIGHT", "URL")
    lines += ["", table([header, *rows]) if rows else _NOTHING]
    failing = [each for each in status.services if each.failures]
    lines += ["", *map(_failing, failing)] if failing else []
    return harmless("\n".join(lines))


def _app(service: ServiceStatus) -> str:
    return service.name.removesuffix(f".{service.service}")


def left_over(replicas: Sequence[str]) -> str:
    """What a killed daemon has left."""
    return f"The last daemon was killed; removed what was left of {', '.join(replicas)}."


def stopping(status: Status) -> str:
    """What will end now."""
    if not status.services:
        return "Stopping; nothing is deployed"
    count = sum(each.ready for each in status.services)
    in_flight = sum(each.in_flight for each in status.services)
    finishing = f"; {_count(in_flight, 'request')} may finish" if in_flight else ""
    return (
        f"Stopping {_count(len(status.services), 'service')} with "
        f"{_count(count, 'ready replica') if count else 'no replica ready'}{finishing}"
    )


def runs(service: ServiceStatus) -> str:
    """What a service runs."""
    return " on ".join(filter(None, (service.model or "a module", service.gpu)))


def _speed(speed: str) -> str:
    """How long what is modelled takes."""
    if speed == "off":
        return "Stand-ins of engines wait for nothing (INFRA_SIMULATED_SPEED=off)"
    if speed == "1":
        return "Stand-ins of engines take modelled time as it is; INFRA_SIMULATED_SPEED=100: faster"
    return f"Stand-ins of engines are {speed} times as fast as modelled (INFRA_SIMULATED_SPEED)"


def _failing(service: ServiceStatus) -> str:
    return (
        f"{service.name} has failed {_count(service.failures, 'time')} in a row: "
        f"{service.last_failure}\n    See `infra local logs {service.name}`."
    )


def _replicas(service: ServiceStatus) -> str:
    least, most = service.min_containers, service.max_containers
    if most is None:
        return f"{least} or more"
    return str(most) if least == most else f"{least} to {most}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
