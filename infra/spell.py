"""Python values as source text, laid out as `ruff format` leaves it."""

import math
from typing import Any

import attrs

WIDTH = 88  # ruff's default, so that the generated modules keep their form in any project
LAST_LATIN = "\u024f"
ESCAPED = {"'", '"', "\\"}


class Name(str):
    """A name of the generated module, written as it is."""


class Words(tuple[str, ...]):
    """A flag with its values, on a line of its own within a list: ``*("--port", "8000")``."""


class OpenList(list[Any]):
    """A list that keeps one item per line, so that one changed item is one changed line."""


class OpenDict(dict[str, Any]):
    """A dict that keeps one item per line."""


@attrs.frozen
class Because:
    """An item with a comment above it."""

    comment: str
    item: Any


@attrs.frozen
class Call:
    """A call, one argument per line when it does not fit in one."""

    function: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()
    open: bool = False


def call(function: str, *args: Any, open: bool = False, **kwargs: Any) -> Call:
    """A call whose keyword arguments that are None are left out."""
    given = tuple((name, value) for name, value in kwargs.items() if value is not None)
    return Call(function, args, given, open)


def statement(target: str, value: Any, comment: str = "", indent: int = 0) -> str:
    """An assignment, with a comment above it; its first line stands behind the indent already."""
    margin = "\n" + " " * indent
    above = "".join(line + margin for line in comment_lines(comment))
    column = indent + len(f"{target} = ")
    text = expression(value, indent, column, 0)
    if not _can_open(value) and column + len(text) > WIDTH >= indent + 4 + len(text):
        text = f"({margin}    {text}{margin})"
    return f"{above}{target} = {text}"


def expression(value: Any, indent: int, column: int, behind: int) -> str:
    """
    The source text of a value.

    Args:
        value: Plain data or one of this module's classes.
        indent: Columns that the line which holds the value is indented by.
        column: Columns of that line which are taken already.
        behind: Columns that are still to come behind the value.
    """
    if not _stays_open(value):
        flat = _flat(value)
        if column + len(flat) + behind <= WIDTH or not _can_open(value):
            return flat
    start, items, end = _items(value)
    inner = " " * (indent + 4)
    lines = [start]
    for lead, item in items:
        if isinstance(item, Because):
            lines += [inner + line for line in comment_lines(item.comment)]
            item = item.item
        text = expression(item, indent + 4, indent + 4 + len(lead), 1)
        lines.append(f"{inner}{lead}{text},")
    return "\n".join([*lines, " " * indent + end])


def one_line(value: Any) -> str:
    """The source text of a value, however long the line gets."""
    return _flat(value)


def comment_lines(text: str) -> list[str]:
    """A comment's lines, without what could end a comment or can't stand in source text."""
    lines = ("".join(filter(str.isprintable, line)).rstrip() for line in text.splitlines())
    return [f"# {line}".rstrip() for line in lines]


def string(value: str) -> str:
    """
    A string literal in the quotes that ruff prefers.

    Double ones, unless that takes more escapes; the rest of the escaping is Python's own, so that
    whatever stands in a value stays in the literal. Beyond the Latin alphabets everything is
    escaped: which character is printable, and how wide it is, depends on the version of Unicode.
    """
    if value.isascii() and value.isprintable() and not ESCAPED & {*value}:
        return f'"{value}"'  # as most are
    quote = "'" if value.count('"') > value.count("'") else '"'
    body = "".join(char if char in "'\"" else _escaped(char) for char in value)
    return quote + body.replace(quote, f"\\{quote}") + quote


def _escaped(char: str) -> str:
    return (repr(char) if char <= LAST_LATIN else ascii(char))[1:-1]


def _items(value: Any) -> tuple[str, list[tuple[str, Any]], str]:
    """What stands before the items, the items with what leads each of them, what stands behind."""
    match value:
        case Call(function, args, kwargs):
            named = [(f"{name}=", held) for name, held in kwargs]
            return f"{function}(", [*(("", arg) for arg in args), *named], ")"
        case dict():
            return "{", [(f"{_flat(key)}: ", held) for key, held in value.items()], "}"
        case Words():
            return "*(", [("", word) for word in value], ")"
        case tuple():
            return "(", [("", held) for held in value], ")"
        case _:
            return "[", [("", held) for held in value], "]"


def _flat(value: Any) -> str:
    match value:
        case Name():
            return str(value)
        case str():
            return string(value)
        case bool() | int() | None:
            return repr(value)
        case float() if math.isfinite(value):
            return repr(value).replace("e+", "e")
        case Because():
            return _flat(value.item)
        case Call() | dict() | list() | tuple():
            start, items, end = _items(value)
            alone = "," if isinstance(value, tuple) and len(items) == 1 else ""
            return start + ", ".join(lead + _flat(held) for lead, held in items) + alone + end
        case _:
            raise TypeError(f"{value!r} has no spelling")


def _stays_open(value: Any) -> bool:
    """Whether the value is laid out one item per line even if it would fit."""
    match value:
        case OpenList() | OpenDict() | Call(_, _, _, True):
            return _can_open(value)
        case Because():
            return True
        case Call() | dict() | list() | tuple():
            return any(_stays_open(held) for _, held in _items(value)[1])
        case _:
            return False


def _can_open(value: Any) -> bool:
    return isinstance(value, Call | dict | list | tuple) and bool(_items(value)[1])
