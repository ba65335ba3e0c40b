"""Times in, their exact percentiles out, however many they are."""

from collections import Counter

import attrs

_TICKS = 100_000  # a second; shorter than what one reading of the clock and of a socket takes


@attrs.frozen(kw_only=True)
class Percentiles:
    """
    Seconds that so many percent of the times do not exceed, by nearest rank.

    Each is one of the times themselves, to 10 microseconds.
    """

    p50: float
    p90: float
    p95: float
    p99: float
    max: float


class Times:
    """
    How often each time was seen, to 10 microseconds.

    Memory grows with the different times, not with their number. Nothing is estimated: rounding
    keeps their order, so the percentile of the rounded times is the percentile, rounded.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._counts[round(seconds * _TICKS)] += 1

    def percentiles(self) -> Percentiles | None:
        """None: there are no times."""
        if not self._counts:
            return None
        values = sorted(self._counts)
        count = self._counts.total()
        ranks = {name: _rank(count, percent) for name, percent in _PERCENT.items()}
        found: dict[str, float] = {}
        seen = 0
        for value in values:
            seen += self._counts[value]
            for name, rank in ranks.items():
                if seen >= rank:
                    found.setdefault(name, value / _TICKS)
        return Percentiles(**found)


_PERCENT = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}


def _rank(count: int, percent: int) -> int:
    """Of the smallest value that is not below so many percent, counted from 1."""
    return -(-count * percent // 100)
