"""How many replicas a service should have: decisions without a clock."""

import math
from collections.abc import Sequence

import attrs
from modal_proto import api_pb2

_LONGEST_PAUSE_SECONDS = 60.0


@attrs.frozen(kw_only=True)
class Settings:
    """
    What Modal's autoscaler can be told.

    Attributes:
        min_containers: Replicas that are kept without any demand.
        max_containers: Replicas at the most, also while they are replaced; None: any number.
        buffer_containers: Replicas beyond what the demand needs, as long as there is demand.
        target_concurrency: Requests per replica that are aimed at, fractions allowed; None: one
            replica is enough for any demand.
        scaleup_window: Seconds that a demand must last before it brings further replicas.
        scaledown_window: Seconds that replicas are kept after the demand for them has gone.
    """

    min_containers: int = 0
    max_containers: int | None = None
    buffer_containers: int = 0
    target_concurrency: float | None = None
    scaleup_window: float = 0.0
    scaledown_window: float = 60.0

    @classmethod
    def parse(cls, message: api_pb2.AutoscalerSettings) -> "Settings":
        """The settings in force as the control plane has them; there, 0 stands for None."""
        # Of the two fields, only the newer can hold a fraction.
        has_fraction = message.HasField("target_concurrency_float")
        target = message.target_concurrency_float if has_fraction else message.target_concurrency
        has_window = message.HasField("scaledown_window")
        return cls(
            min_containers=message.min_containers,
            max_containers=message.max_containers or None,
            buffer_containers=message.buffer_containers,
            target_concurrency=target or None,
            scaleup_window=message.scaleup_window,
            scaledown_window=message.scaledown_window if has_window else cls().scaledown_window,
        )


@attrs.frozen
class Sample:
    """
    The demand that was seen in a stretch of time.

    Attributes:
        time: When the stretch ended, in seconds of any clock.
        demand: Most requests at once in it.
    """

    time: float
    demand: int


def desired(samples: Sequence[Sample], settings: Settings, now: float, current: int) -> int:
    """
    How many replicas there should be, given how many were wanted until now.

    More are wanted once the demand for them has lasted all of the scaleup window, fewer once
    there was no demand for them in all of the scaledown window. The first replica does not wait
    for any window: without one, requests are refused, and a demand shows only in those.

    Args:
        samples: Oldest first.
        settings: Those in force.
        now: By the clock of the samples.
        current: The answer of last time; 0 at first.
    """
    rising = _rising(samples, settings, now)
    falling = max(
        (
            _needed(sample.demand, settings)
            for sample in samples
            if sample.time > now - settings.scaledown_window
        ),
        default=0,
    )
    if not current and samples and samples[-1].demand:
        rising = max(rising, 1)
    return _bounded(max(rising, min(current, falling)), settings)


def _rising(samples: Sequence[Sample], settings: Settings, now: float) -> int:
    """What was needed in all of the scaleup window."""
    begin = now - settings.scaleup_window
    if not samples or (samples[0].time > begin and settings.scaleup_window):
        # What is not known to have lasted has not.
        return 0
    recent = [sample for sample in samples if sample.time > begin] or [samples[-1]]
    return min(_needed(sample.demand, settings) for sample in recent)


def _needed(demand: int, settings: Settings) -> int:
    if not demand:
        return 0
    target = settings.target_concurrency
    return (math.ceil(demand / target) if target else 1) + settings.buffer_containers


def _bounded(wanted: int, settings: Settings) -> int:
    wanted = max(wanted, settings.min_containers)
    # Last, as it is what caps the bill.
    return wanted if settings.max_containers is None else min(wanted, settings.max_containers)


@attrs.frozen(kw_only=True)
class Fleet:
    """
    How many replicas there are.

    Attributes:
        starting: Of the current version.
        ready: Of the current version.
        outdated: Ready ones of earlier versions.
        leaving: Of any version, finishing their last requests.
    """

    starting: int = 0
    ready: int = 0
    outdated: int = 0
    leaving: int = 0


@attrs.frozen(kw_only=True)
class Step:
    """
    What is to be done now.

    Attributes:
        start: Replicas of the current version to start.
        retire: Replicas of the current version to let go.
        replace: Replicas of earlier versions to let go.
    """

    start: int = 0
    retire: int = 0
    replace: int = 0


def step(fleet: Fleet, wanted: int, max_containers: int | None) -> Step:
    """
    The next step from what there is to what is wanted.

    Replicas of an earlier version serve until as many current ones are ready. Where
    max_containers leaves no room for a replacement, one of them has to go first: with
    max_containers=1 nobody serves in between, as on Modal.
    """
    current = fleet.starting + fleet.ready
    missing = max(0, wanted - current)
    start = missing
    if max_containers is not None:
        running = current + fleet.outdated + fleet.leaving
        start = min(missing, max(0, max_containers - running))
    replace = min(fleet.outdated, max(0, fleet.outdated + fleet.ready - wanted))
    is_blocked = missing > 0 and not start and not fleet.starting and not fleet.leaving
    if is_blocked and fleet.outdated:
        replace = max(replace, 1)
    return Step(start=start, retire=max(0, current - wanted), replace=replace)


def reason(before: int, after: int, demand: int, settings: Settings) -> str:
    """
    Why another number of replicas is wanted, for people.

    Args:
        before: How many were wanted.
        after: How many are wanted now.
        demand: Most requests at once just now.
        settings: Those in force.
    """
    window = settings.scaledown_window
    if after == settings.max_containers and (before > after or _needed(demand, settings) > after):
        return f"max_containers={after}"
    if after == settings.min_containers and (before < after or not after):
        return f"min_containers={after}" if after else f"no requests for {window:g} s"
    if after < before:
        return f"fewer were enough for {window:g} s"
    reasons = [f"{demand} request{'' if demand == 1 else 's'} at once"]
    if settings.target_concurrency and after > 1:
        reasons.append(f"target_concurrency={settings.target_concurrency:g}")
    if settings.buffer_containers:
        reasons.append(f"buffer_containers={settings.buffer_containers}")
    return ", ".join(reasons)


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row before the next replica is started."""
    # The exponent is bounded, too: a service may fail for days.
    return min(_LONGEST_PAUSE_SECONDS, 2.0 ** min(failures - 1, 10)) if failures else 0.0


def failures_in_a_row(failures: int, served_seconds: float) -> int:
    """The count after one more failure of a replica that had served for so long."""
    return 1 if served_seconds >= _LONGEST_PAUSE_SECONDS else failures + 1
