"""The pieces that texts for people are made of."""

from collections.abc import Callable, Sequence
from typing import Any

from infra.spell import one_line

Style = Callable[[str, str], str]  # a text and the name of its colour in, the text to print out
UNSET = "(unset)"


def plain(text: str, colour: str) -> str:
    """The style of files, pipes and NO_COLOR."""
    return text


def harmless(text: str) -> str:
    """What somebody else has written, without what does something to a terminal; lines stay."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


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
