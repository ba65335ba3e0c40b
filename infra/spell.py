"""Python values as source text, laid out as `ruff format` leaves it."""

from collections.abc import Iterable
from typing import Any

import attrs

WIDTH = 88  # ruff's default, so that the generated modules keep their form in any project


@attrs.frozen
class Name:
    """A name of the generated module, written as it is."""

    text: str


@attrs.frozen
class Call:
    """A call, one argument per line when it does not fit in one."""

    function: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()
    open: bool = False


@attrs.frozen
class Words:
    """A flag with its values, on a line of its own within a list: ``*("--port", "8000")``."""

    words: tuple[str, ...]


@attrs.frozen
class Because:
    """An item with a comment above it."""

    comment: str
    item: Any


@attrs.frozen
class Open:
    """A list or dict that keeps one item per line, so that one changed item is one changed line."""

    items: Any


def call(function: str, *args: Any, open: bool = False, **kwargs: Any) -> Call:
    """A call whose keyword arguments that are None are left out."""
    given = tuple((name, value) for name, value in kwargs.items() if value is not None)
    return Call(function, args, given, open)


def statement(target: str, value: Any, comment: str = "") -> str:
    """An assignment, with a comment above it."""
    lead = f"{target} = "
    above = "".join(f"{line}\n" for line in comment_lines(comment))
    if isinstance(value, str):
        text = string(value)
        if len(lead + text) > WIDTH >= 4 + len(text):
            return f"{above}{lead}(\n    {text}\n)"
    return above + lead + expression(value, 0, len(lead), 0)


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
    if isinstance(value, Open):
        value = value.items
    match value:
        case Call(function, args, kwargs):
            items: Iterable[tuple[str, Any]] = [("", arg) for arg in args]
            items = [*items, *((f"{name}=", held) for name, held in kwargs)]
            start, end = f"{function}(", ")"
        case Words(words):
            items, start, end = [("", word) for word in words], "*(", ")"
        case dict():
            items = [(f"{_flat(key)}: ", held) for key, held in value.items()]
            start, end = "{", "}"
        case tuple():
            items, start, end = [("", held) for held in value], "(", ")"
        case _:
            items, start, end = [("", held) for held in value], "[", "]"
    inner = " " * (indent + 4)
    lines = [start]
    for lead, item in items:
        if isinstance(item, Because):
            lines += [inner + line for line in comment_lines(item.comment)]
            item = item.item
        lines.append(f"{inner}{lead}{expression(item, indent + 4, indent + 4 + len(lead), 1)},")
    return "\n".join([*lines, " " * indent + end])


def comment_lines(text: str) -> list[str]:
    """A comment's lines, without what could end a comment or can't stand in source text."""
    lines = ("".join(filter(str.isprintable, line)).rstrip() for line in text.splitlines())
    return [f"# {line}".rstrip() for line in lines]


def string(value: str) -> str:
    """
    A string literal in the quotes that ruff prefers.

    Double ones, unless that takes more escapes; the rest of the escaping is Python's own, so that
    whatever stands in a value stays in the literal.
    """
    quote = "'" if value.count('"') > value.count("'") else '"'
    body = "".join(char if char in "'\"" else repr(char)[1:-1] for char in value)
    return quote + body.replace(quote, f"\\{quote}") + quote


def _flat(value: Any) -> str:
    match value:
        case str():
            return string(value)
        case Name(text):
            return text
        case Call(function, args, kwargs):
            inner = [*map(_flat, args), *(f"{name}={_flat(held)}" for name, held in kwargs)]
            return f"{function}({', '.join(inner)})"
        case Words(words):
            return f"*({', '.join(map(_flat, words))})"
        case Open(items):
            return _flat(items)
        case dict():
            return "{" + ", ".join(f"{_flat(k)}: {_flat(v)}" for k, v in value.items()) + "}"
        case list():
            return f"[{', '.join(map(_flat, value))}]"
        case tuple():
            return f"({', '.join(map(_flat, value))}{',' if len(value) == 1 else ''})"
        case bool() | int() | float() | None:
            return repr(value)
        case _:
            raise TypeError(f"{value!r} has no spelling")


def _stays_open(value: Any) -> bool:
    """Whether the value is laid out one item per line even if it would fit."""
    match value:
        case Open(items):
            return bool(items)
        case Call(_, args, kwargs, is_open):
            return is_open or any(map(_stays_open, [*args, *(held for _, held in kwargs)]))
        case dict():
            return any(map(_stays_open, value.values()))
        case list() | tuple():
            return any(map(_stays_open, value))
        case Because():
            return True
        case _:
            return False


def _can_open(value: Any) -> bool:
    match value:
        case Call(_, args, kwargs):
            return bool(args or kwargs)
        case Words(words):
            return bool(words)
        case Open(items):
            return bool(items)
        case dict() | list() | tuple():
            return bool(value)
        case _:
            return False
