"""Sessions stay where they are, but for those that a change of the backends must move."""

from collections import Counter

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from infra.local.affinity import home

backends = st.lists(
    st.text("abcdefgh0123456789-", min_size=1, max_size=8), min_size=1, max_size=8, unique=True
)
SESSIONS = [f"session-{number}" for number in range(2000)]


@given(st.text(), backends)
@example("\udcff", ["ta-1", "ta-2"])
def test_the_order_of_the_backends_does_not_matter(session: str, ids: list[str]) -> None:
    """The same set gives the same home, however it is listed, whatever the client sends."""
    assert home(session, ids) == home(session, sorted(ids)) == home(session, reversed(ids))


@given(st.text(), backends, st.text("xyz", min_size=1, max_size=8))
def test_one_more_backend_only_draws(session: str, ids: list[str], more: str) -> None:
    """A session stays where it is, or goes to the new backend; never to another old one."""
    assert home(session, [*ids, more]) in {home(session, ids), more}


@given(st.text(), backends, st.data())
def test_one_less_moves_only_its_own(session: str, ids: list[str], data: st.DataObject) -> None:
    """Sessions of other backends do not notice that one has gone."""
    assume(len(ids) > 1)
    gone = data.draw(st.sampled_from(ids))
    before = home(session, ids)
    after = home(session, [each for each in ids if each != gone])
    assert after == before or before == gone


@settings(max_examples=20)
@given(backends, st.text("xyz", min_size=1, max_size=8))
def test_about_one_in_n_sessions_moves(ids: list[str], more: str) -> None:
    """A new backend gets about its share of the sessions, and only those move."""
    moved = sum(home(each, ids) != home(each, [*ids, more]) for each in SESSIONS)
    share = len(SESSIONS) / (len(ids) + 1)
    assert 0.7 * share < moved < 1.3 * share


@settings(max_examples=20)
@given(backends)
def test_sessions_are_spread_evenly(ids: list[str]) -> None:
    """No backend gets much more or less than its share."""
    counts = Counter(home(each, ids) for each in SESSIONS)
    share = len(SESSIONS) / len(ids)
    assert all(0.7 * share < counts[each] < 1.3 * share for each in ids)


def test_homes_do_not_depend_on_the_process() -> None:
    """A restarted router sends every session where it was: nothing in it is drawn at random."""
    homes = [home(each, ["ta-1", "ta-2", "ta-3"]) for each in SESSIONS[:6]]
    assert homes == ["ta-2", "ta-3", "ta-3", "ta-2", "ta-3", "ta-3"]
