"""What texts for people are made of: lines that fit a terminal, and are left alone elsewhere."""

from hypothesis import given
from hypothesis import strategies as st

from infra.text import NARROWEST, Style, plain, table, table_rows, wrapped

WORDS = st.lists(st.text("abc-/", min_size=1, max_size=12), min_size=1, max_size=40)
HEAD = ("NAME", "STATE", "WHAT IT IS ABOUT")


@given(WORDS, st.integers(40, 100), st.integers(0, 10))
def test_wrapping_keeps_the_words_and_the_width(words: list[str], width: int, hanging: int) -> None:
    """No word is cut or lost, and lines that follow are indented."""
    first, *others = wrapped("  " + " ".join(words), width, hanging).split("\n")
    assert [word for line in (first, *others) for word in line.split()] == words
    assert first.startswith("  ")
    for line in others:
        assert line[: hanging + 1] == " " * hanging + line.strip()[0]
    assert all(len(line) <= width for line in (first, *others))


@given(WORDS)
def test_files_and_pipes_get_whole_lines(words: list[str]) -> None:
    """Without a width nothing is wrapped; nor where there is no room for text."""
    text = " ".join(words)
    assert wrapped(text, None) == wrapped(text, NARROWEST, 1) == text
    assert plain.width is plain.within(2).width is None
    assert Style(width=80).within(2).width == 78


@given(st.lists(st.tuples(*[WORDS.map(" ".join)] * 3), min_size=1, max_size=4))
def test_a_table_keeps_its_cells(rows: list[tuple[str, str, str]]) -> None:
    """However narrow the terminal is, all that a table says is in it, a text for each row."""
    for width in (None, 200, 80, 30):
        for has_head in (True, False):
            head, *shown = table_rows([HEAD, *rows], width, has_head=has_head)
            assert len(shown) == len(rows)
            assert has_head or head
            for row, text in zip(rows, shown, strict=True):
                words = [word for cell in row for word in cell.split()]
                assert not [word for word in words if word not in text.split()]


def test_the_forms_of_a_table() -> None:
    """As it is, with the last column wrapped, or with a line for each cell."""
    rows = [HEAD, ("one", "up", "what runs since the day before yesterday"), ("two", "down", "")]
    whole = [
        "NAME  STATE  WHAT IT IS ABOUT",
        "one   up     what runs since the day before yesterday",
        "two   down",
    ]
    assert table(rows).splitlines() == table(rows, 53).splitlines() == whole
    assert table(rows, 40).splitlines() == [
        "NAME  STATE  WHAT IT IS ABOUT",
        "one   up     what runs since the day",
        "             before yesterday",
        "two   down",
    ]
    assert table(rows, 32).splitlines() == [
        "one",
        "  STATE             up",
        "  WHAT IT IS ABOUT  what runs since the day before yesterday",
        "two",
        "  STATE             down",
    ]
