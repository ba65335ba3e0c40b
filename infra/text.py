"""The pieces that texts for people are made of."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from textwrap import TextWrapper
from typing import Any

import attrs

from infra.spell import one_line

UNSET = "(unset)"
NARROWEST = 20  # columns of text; with fewer, lines are as long as they are


@attrs.frozen(kw_only=True)
class Style:
    """
    How a text looks where it is printed.

    Attributes:
        paint: A text and the name of its colour in, the text to print out; None: no colours.
        width: Columns that lines are wrapped to; None: they are as long as they are, so that
            `grep` finds a whole finding.
    """

    paint: Callable[[str, str], str] | None = None
    width: int | None = None

    def __call__(self, text: str, colour: str) -> str:
        """The text in that colour."""
        return self.paint(text, colour) if self.paint else text

    def within(self, columns: int) -> "Style":
        """The same for a text that is indented by so many columns."""
        return attrs.evolve(self, width=self.width and self.width - columns)


plain = Style()  # of files and pipes


def wrapped(text: str, width: int | None, hanging: int = 0) -> str:
    """The text in lines of that width, all but the first indented; words stay whole."""
    if width is None or len(text) <= width or width - hanging < NARROWEST:
        return text
    wrapper = TextWrapper(
        width=width,
        subsequent_indent=" " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return "\n".join(wrapper.wrap(text))


def harmless(text: str) -> str:
    """What somebody else has written, without what does something to a terminal; lines stay."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")


def table(rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """The rows of `table_rows`, of which the first is the columns' names."""
    return "\n".join(filter(None, table_rows(rows, width, has_head=True)))


def table_rows(
    rows: Sequence[Sequence[str]], width: int | None = None, *, has_head: bool = False
) -> list[str]:
    """
    A text per row, with columns as wide as their widest cell.

    Where that is too wide, the last column is wrapped. Where that leaves it too little room, each
    cell has a line with its column's name, under the row's first; the first row is empty then.

    Args:
        rows: Their cells, the same number each.
        width: Columns of the terminal; None: as many as are needed.
        has_head: The first row is the columns' names.
    """
    *widths, last = (max(map(len, column)) for column in zip(*rows, strict=True))
    before = sum(each + 2 for each in widths)
    if width is None or before + last <= width:
        room = last
    elif width - before >= min(last, NARROWEST) or not has_head:
        room = max(width - before, NARROWEST)
    else:
        head, *others = rows
        return ["", *(_upright(head, row, width) for row in others)]
    return [_row(row, [*widths, room]) for row in rows]


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    *cells, last = row
    lines = wrapped(last, widths[-1]).split("\n")
    columns = zip_longest(*([cell] for cell in cells), lines, fillvalue="")
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in columns
    )


def _upright(head: Sequence[str], row: Sequence[str], width: int) -> str:
    names = max(map(len, head))
    pairs = zip(head[1:], row[1:], strict=True)
    lines = [f"  {name.ljust(names)}  {cell}" for name, cell in pairs if cell]
    return "\n".join([row[0], *(wrapped(line, width, names + 4) for line in lines)])


def ago(seconds: float) -> str:
    """How long that is, in the one unit that tells most."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def value_text(value: Any) -> str:
    """A value on one line; a string stands bare where that can't be misread."""
    if value is None:
        return UNSET
    if value is True:
        return "on"
    if value is False:
        return "off"
    if isinstance(value, str):
        bare = value.isprintable() and value == value.strip() and value
        return value if bare else one_line(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(map(value_text, value))
    return one_line(value)
