"""How many replicas there should be, and which step leads there."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modal_proto import api_pb2

from infra.local.scaling import (
    Fleet,
    Sample,
    Settings,
    Step,
    desired,
    failures_in_a_row,
    pause,
    reason,
    step,
)

TARGET_2 = Settings(target_concurrency=2)


@st.composite
def settings(draw: st.DrawFn) -> Settings:
    low = draw(st.integers(0, 5))
    return Settings(
        min_containers=low,
        max_containers=draw(st.none() | st.integers(max(low, 1), 12)),
        buffer_containers=draw(st.integers(0, 3)),
        target_concurrency=draw(st.none() | st.floats(1, 20)),
        scaleup_window=draw(st.sampled_from([0, 3, 10])),
        scaledown_window=draw(st.sampled_from([2, 5, 60])),
    )


demands = st.lists(st.integers(0, 100), max_size=40)


def history(*demands: int) -> list[Sample]:
    """One sample a second, the last one at the time 0."""
    return [Sample(1 - len(demands) + index, demand) for index, demand in enumerate(demands)]


def follow(demands: list[int], chosen: Settings) -> list[int]:
    """What is wanted at each second of a demand."""
    samples: list[Sample] = []
    wanted = [0]
    for second, demand in enumerate(demands):
        samples.append(Sample(second, demand))
        wanted.append(desired(samples, chosen, second, wanted[-1]))
    return wanted[1:]


@pytest.mark.parametrize(
    ("demand", "chosen", "wanted"),
    [
        (0, Settings(), 0),
        (0, Settings(min_containers=2), 2),
        (1, Settings(), 1),
        (99, Settings(), 1),
        (99, Settings(min_containers=3), 3),
        (1, TARGET_2, 1),
        (2, TARGET_2, 1),
        (3, TARGET_2, 2),
        (3, Settings(target_concurrency=1.5), 2),
        (4, Settings(target_concurrency=1.5), 3),
        (9, Settings(target_concurrency=2, max_containers=3), 3),
        (0, Settings(buffer_containers=2), 0),
        (1, Settings(buffer_containers=2), 3),
        (3, Settings(target_concurrency=2, buffer_containers=1), 3),
        (3, Settings(target_concurrency=2, buffer_containers=1, max_containers=2), 2),
        (0, Settings(min_containers=5, max_containers=2), 2),
    ],
)
def test_what_a_demand_needs(demand: int, chosen: Settings, wanted: int) -> None:
    """The target is rounded up, a buffer comes with demand only, and the maximum caps it all."""
    assert desired(history(demand), chosen, 0, 0) == wanted


@pytest.mark.parametrize(
    ("demands", "current", "wanted"),
    [
        ([8, 8, 8, 8], 1, 4),
        ([2, 8, 8, 8], 1, 4),
        ([8, 8, 2, 8], 1, 1),
        ([8, 8, 8, 6], 1, 3),
        ([8, 8], 1, 1),
        ([8], 0, 1),
        ([8, 8, 8, 8], 0, 4),
    ],
)
def test_demand_must_last_the_scaleup_window(demands: list[int], current: int, wanted: int) -> None:
    """Three seconds here; only the first replica comes at once."""
    chosen = Settings(target_concurrency=2, scaleup_window=3)
    assert desired(history(*demands), chosen, 0, current) == wanted


@pytest.mark.parametrize(
    ("demands", "wanted"),
    [
        ([8, 0, 0, 0, 0], 4),
        ([8, 0, 0, 0, 0, 0], 0),
        ([8, 0, 3, 0, 0, 0], 2),
        ([2, 0, 0, 0, 0, 2], 1),
    ],
)
def test_replicas_are_kept_for_the_scaledown_window(demands: list[int], wanted: int) -> None:
    """Five seconds here, counted from the last demand for them."""
    chosen = Settings(target_concurrency=2, scaledown_window=5)
    assert desired(history(*demands), chosen, 0, 4) == wanted


@given(demands, settings(), st.integers(0, 30))
def test_bounds_hold_always(demands: list[int], chosen: Settings, current: int) -> None:
    """Never below the minimum, never above the maximum, whatever came before."""
    wanted = desired(history(*demands), chosen, 0, current)
    assert wanted >= chosen.min_containers
    assert chosen.max_containers is None or wanted <= chosen.max_containers


@given(demands, settings())
def test_nothing_flaps_within_the_window(demands: list[int], chosen: Settings) -> None:
    """No replica goes that was needed at any time in the scaledown window."""
    wanted = follow(demands, chosen)
    for second in range(1, len(wanted)):
        begin = max(0, second - int(chosen.scaledown_window) + 1)
        needed = max(desired(history(each), chosen, 0, 0) for each in demands[begin : second + 1])
        assert wanted[second] >= min(wanted[second - 1], needed)


@given(st.integers(0, 100), settings())
def test_a_steady_demand_settles(demand: int, chosen: Settings) -> None:
    """After both windows the number is what the demand needs, and stays so."""
    chosen = attrs.evolve(chosen, scaledown_window=5)
    wanted = follow([100] * 3 + [demand] * 30, chosen)
    at_once = attrs.evolve(chosen, scaleup_window=0)
    assert set(wanted[-10:]) == {desired(history(demand), at_once, 0, 0)}


@given(demands, settings(), settings())
def test_new_settings_hold_at_once(demands: list[int], before: Settings, after: Settings) -> None:
    """Bounds that changed are kept in the very next answer."""
    current = desired(history(*demands), before, 0, 0)
    wanted = desired(history(*demands), after, 0, current)
    assert wanted >= after.min_containers
    assert after.max_containers is None or wanted <= after.max_containers


@pytest.mark.parametrize(
    ("message", "chosen"),
    [
        (api_pb2.AutoscalerSettings(), Settings()),
        (
            api_pb2.AutoscalerSettings(max_containers=0, scaledown_window=2),
            Settings(scaledown_window=2),
        ),
        (api_pb2.AutoscalerSettings(target_concurrency=3), Settings(target_concurrency=3)),
        (
            api_pb2.AutoscalerSettings(target_concurrency_float=1.5),
            Settings(target_concurrency=1.5),
        ),
        (
            api_pb2.AutoscalerSettings(target_concurrency=3, target_concurrency_float=0.0),
            Settings(target_concurrency=None),
        ),
        (
            api_pb2.AutoscalerSettings(
                min_containers=1, max_containers=4, buffer_containers=2, scaleup_window=9
            ),
            Settings(min_containers=1, max_containers=4, buffer_containers=2, scaleup_window=9),
        ),
    ],
)
def test_the_control_planes_settings(message: api_pb2.AutoscalerSettings, chosen: Settings) -> None:
    """0 is no limit and no target; the field with fractions wins where it is given."""
    assert Settings.parse(message) == chosen


@pytest.mark.parametrize(
    ("fleet", "wanted", "most", "expected"),
    [
        (Fleet(), 0, None, Step()),
        (Fleet(), 2, None, Step(start=2)),
        (Fleet(starting=1, ready=1), 2, None, Step()),
        (Fleet(starting=1, ready=2), 1, None, Step(retire=2)),
        # A new version: start all, and let one old go for each that is ready.
        (Fleet(outdated=2), 2, None, Step(start=2)),
        (Fleet(starting=2, outdated=2), 2, None, Step()),
        (Fleet(starting=1, ready=1, outdated=2), 2, None, Step(replace=1)),
        (Fleet(ready=2, outdated=1, leaving=1), 2, None, Step(replace=1)),
        (Fleet(outdated=3), 1, None, Step(start=1, replace=2)),
        (Fleet(outdated=2), 0, None, Step(replace=2)),
        # With a maximum there is room for one more, or for none.
        (Fleet(outdated=2), 2, 3, Step(start=1)),
        (Fleet(starting=1, outdated=2), 2, 3, Step()),
        (Fleet(outdated=1), 1, 1, Step(replace=1)),
        (Fleet(leaving=1), 1, 1, Step()),
        (Fleet(outdated=2), 2, 2, Step(replace=1)),
        (Fleet(outdated=1, leaving=1), 2, 2, Step()),
        (Fleet(outdated=1), 2, 2, Step(start=1)),
        (Fleet(starting=1, outdated=1), 2, 2, Step()),
        (Fleet(ready=1, outdated=1), 2, 2, Step(replace=1)),
        (Fleet(ready=1, leaving=3), 2, 3, Step()),
    ],
)
def test_steps(fleet: Fleet, wanted: int, most: int | None, expected: Step) -> None:
    """From what there is to what is wanted."""
    assert step(fleet, wanted, most) == expected


fleets = st.builds(
    Fleet,
    starting=st.integers(0, 4),
    ready=st.integers(0, 4),
    outdated=st.integers(0, 4),
    leaving=st.integers(0, 4),
)


@given(fleets, st.integers(0, 6), st.none() | st.integers(1, 6))
def test_steps_end(fleet: Fleet, wanted: int, most: int | None) -> None:
    """Step by step any fleet becomes the wanted one, with enough of it ready on the way."""
    wanted = wanted if most is None else min(wanted, most)
    serving = min(wanted, fleet.ready + fleet.outdated)
    for _ in range(60):
        todo = step(fleet, wanted, most)
        running = fleet.starting + fleet.ready + fleet.outdated + fleet.leaving
        if most is not None:
            assert not todo.start or running + todo.start <= most
        assert todo.replace <= fleet.outdated
        unready = min(todo.retire, fleet.starting)
        after = Fleet(
            starting=fleet.starting + todo.start - unready,
            ready=fleet.ready - (todo.retire - unready),
            outdated=fleet.outdated - todo.replace,
            leaving=fleet.leaving + todo.retire + todo.replace,
        )
        if most is None:
            assert after.ready + after.outdated >= serving
        # Then one of those that start gets ready, or one of those that leave is gone.
        if after.starting:
            after = Fleet(
                starting=after.starting - 1,
                ready=after.ready + 1,
                outdated=after.outdated,
                leaving=after.leaving,
            )
        elif after.leaving:
            after = Fleet(ready=after.ready, outdated=after.outdated, leaving=after.leaving - 1)
        fleet = after
    assert fleet == Fleet(ready=wanted)


def test_pauses_grow_and_end() -> None:
    """None before the first failure; then twice as long each time, up to a minute."""
    assert [pause(failures) for failures in range(9)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert pause(10_000) == 60


def test_a_replica_that_served_well_starts_the_count_anew() -> None:
    """One that dies after an hour is not one more failure of those at the start."""
    assert failures_in_a_row(5, served_seconds=3600) == 1
    assert failures_in_a_row(5, served_seconds=3) == 6


@pytest.mark.parametrize(
    ("before", "after", "demand", "chosen", "expected"),
    [
        (0, 2, 0, Settings(min_containers=2), "min_containers=2"),
        (0, 1, 1, Settings(), "1 request at once"),
        (1, 3, 5, TARGET_2, "5 requests at once, target_concurrency=2"),
        (
            0,
            2,
            1,
            Settings(buffer_containers=1),
            "1 request at once, buffer_containers=1",
        ),
        (1, 2, 9, Settings(target_concurrency=2, max_containers=2), "max_containers=2"),
        (4, 2, 9, Settings(max_containers=2), "max_containers=2"),
        (3, 2, 1, TARGET_2, "fewer were enough for 60 s"),
        (3, 1, 0, Settings(min_containers=1), "fewer were enough for 60 s"),
        (1, 0, 0, Settings(scaledown_window=2.5), "no requests for 2.5 s"),
    ],
)
def test_a_change_has_a_reason(
    before: int, after: int, demand: int, chosen: Settings, expected: str
) -> None:
    """It names what decided: the demand with the target, a limit, or a window without demand."""
    assert reason(before, after, demand, chosen) == expected
