"""Percentiles are exact, and their number costs no memory."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from infra.probing.times import Times

SECONDS = st.floats(min_value=0, max_value=1000, allow_nan=False)


def times(seconds: list[float]) -> Times:
    """All of them, added one by one."""
    made = Times()
    for each in seconds:
        made.add(each)
    return made


@given(st.lists(SECONDS, min_size=1))
def test_percentiles_are_those_of_the_sorted_list(seconds: list[float]) -> None:
    """Each is the time at its nearest rank of all times, to 10 microseconds."""
    ordered = sorted(seconds)
    found = times(seconds).percentiles()
    assert found is not None
    for name, percent in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99), ("max", 100)):
        # The smallest time that so many percent of all do not exceed, by counting.
        expected = next(
            value
            for rank, value in enumerate(ordered, start=1)
            if rank * 100 >= percent * len(ordered)
        )
        assert getattr(found, name) == round(expected * 100_000) / 100_000


def test_there_is_no_percentile_of_nothing() -> None:
    """Without times there are no figures, not zeros."""
    assert Times().percentiles() is None


def test_many_times_need_no_more_memory_than_the_different_ones() -> None:
    """A hundred thousand times in a thousand values stay below the size of their list."""
    tracemalloc.start()
    try:
        made = Times()
        for number in range(100_000):
            made.add(number % 1000 / 1000)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 200_000 < 100_000 * 8
    assert made.percentiles() is not None
