"""attrs validators whose messages say what is so, what is allowed, then what to do."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import attrs

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]

NAME = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}"  # Modal: names of apps, volumes and secrets
ENVIRONMENT_NAME = r"[A-Za-z_][A-Za-z0-9_]*"


def _fail(attribute: "attrs.Attribute[Any]", so: str, allowed: str, fix: str) -> None:
    raise ValueError(f"{attribute.name}: {so}; {allowed}; {fix}")


def optional(inner: Validator) -> Validator:
    """Let None through: the field is then left to its default at Modal or SGLang."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if value is not None:
            inner(instance, attribute, value)

    return check


def text(pattern: str | None = None, *, example: str) -> Validator:
    """A string that is not empty, of the whole `pattern` if one is given."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str) or not value:
            _fail(
                attribute,
                f"{value!r} is {_a(value)}",
                "a string that is not empty is allowed",
                f"write {attribute.name}={example!r}, for example",
            )
        if pattern and not re.fullmatch(pattern, value):
            _fail(
                attribute,
                f"{value!r} has a form that is not known",
                f"what matches {pattern} is allowed",
                f"write {attribute.name}={example!r}, for example",
            )

    return check


def whole_number(minimum: int = 0, maximum: int | None = None) -> Validator:
    """An int (a bool is none) from `minimum` to `maximum`, both included."""
    bounds = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            so = f"{value!r} is {_a(value)}"
        elif value < minimum:
            so = f"{value} is too small"
        elif maximum is not None and value > maximum:
            so = f"{value} is too large"
        else:
            return
        _fail(
            attribute,
            so,
            f"a whole number, {bounds}, is allowed",
            f"write {attribute.name}={max(minimum, 1)}, for example",
        )

    return check


def number(minimum: float = 0) -> Validator:
    """An int or float of `minimum` or more (a bool is none)."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or not value >= minimum:
            _fail(
                attribute,
                f"{value!r} is {_a(value) if not known else 'too small'}",
                f"a number, {minimum} or more, is allowed",
                f"write {attribute.name}={max(minimum, 1)}, for example",
            )

    return check


def truth() -> Validator:
    """True or False."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, bool):
            _fail(
                attribute,
                f"{value!r} is {_a(value)}",
                "True and False are allowed",
                f"write {attribute.name}=True or {attribute.name}=False",
            )

    return check


def one_of(choices: Sequence[Any]) -> Validator:
    """One of `choices`."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if value not in choices:
            allowed = ", ".join(map(repr, choices))
            _fail(
                attribute,
                f"{value!r} is not known",
                f"{allowed} are allowed",
                f"write {attribute.name}={choices[0]!r}, for example",
            )

    return check


def mount_path() -> Validator:
    """An absolute path that Modal accepts for a Volume: canonical, not /, /root or /tmp."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        canonical = (
            isinstance(value, str)
            and value.startswith("/")
            and not value.endswith("/")
            and not any(part in ("", ".", "..") for part in value.split("/")[1:])
        )
        if not canonical or value in ("/root", "/tmp"):
            _fail(
                attribute,
                f"{value!r} is no place for a Volume",
                "an absolute path without '..' is allowed, but not /, /root or /tmp",
                f"write {attribute.name}='/root/.cache/huggingface', for example",
            )

    return check


def instance_of(*classes: "type[Any]") -> Validator:
    """A value of one of `classes`."""
    names = " or ".join(each.__name__ for each in classes)

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, classes):
            _fail(
                attribute,
                f"{value!r} is {_a(value)}",
                f"{names} is allowed",
                f"write {attribute.name}={classes[0].__name__}(...)",
            )

    return check


def has_method(method: str, *, example: str) -> Validator:
    """A value that offers `method`, as a part or a component does."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not callable(getattr(value, method, None)):
            _fail(
                attribute,
                f"{value!r} is {_a(value)}",
                f"a value with a method {method}() is allowed",
                f"write {example}, for example",
            )

    return check


def each(inner: Validator) -> Validator:
    """A tuple (lists are converted) whose every item passes `inner`."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, tuple):
            _fail(
                attribute,
                f"{value!r} is {_a(value)}",
                "a list is allowed",
                f"write {attribute.name}=[...]",
            )
        for item in value:
            inner(instance, attribute, item)

    return check


def text_pairs() -> Validator:
    """A mapping (converted to pairs) from environment variables' names to strings."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, tuple):
            _fail(
                attribute,
                f"{value!r} is {_a(value)}",
                "a dict of strings is allowed",
                f'write {attribute.name}={{"NAME": "value"}}',
            )
        for key, item in value:
            if not isinstance(key, str) or not re.fullmatch(ENVIRONMENT_NAME, key):
                _fail(
                    attribute,
                    f"{key!r} is no name of an environment variable",
                    f"what matches {ENVIRONMENT_NAME} is allowed",
                    "rename it",
                )
            if not isinstance(item, str):
                _fail(
                    attribute,
                    f"{key} is {item!r}, {_a(item)}",
                    "a string is allowed",
                    f"write {key!r}: {str(item)!r}",
                )

    return check


def _a(value: Any) -> str:
    """The kind of a value, in words a stack's author would use."""
    if value is None:
        return "None"
    if value == "":
        return "empty"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
