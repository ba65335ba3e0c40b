"""attrs validators whose messages say what is so, what is allowed, then what to do."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import attrs

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]

NAME = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}"  # Modal: names of apps, volumes and secrets
REPOSITORY = r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?"  # Hugging Face: names of models
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
                _is(value),
                "a string that is not empty is allowed",
                f"write {attribute.name}={example!r}, for example",
            )
        if pattern and not re.fullmatch(pattern, value):
            _fail(
                attribute,
                f"{value!r} does not fit",
                f"what matches {pattern} is allowed",
                f"write {attribute.name}={example!r}, for example",
            )

    return check


def whole_number(minimum: int = 0, maximum: int | None = None) -> Validator:
    """An int (a bool is none) from `minimum` to `maximum`, both included."""
    bounds = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            so = _is(value)
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
        finite = known and math.isfinite(value)
        if not finite or value < minimum:
            _fail(
                attribute,
                f"{value!r} is too small" if finite else _is(value),
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
                _is(value),
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


def instance_of(kind: "type[Any]", *, example: str = "") -> Validator:
    """A value of the class `kind`."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, kind):
            _fail(
                attribute,
                _is(value),
                f"{kind.__name__} is allowed",
                f"write {attribute.name}={example or f'{kind.__name__}(...)'}",
            )

    return check


def has_method(method: str, *, example: str) -> Validator:
    """A value that offers `method`, as a part or a component does."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if isinstance(value, type) or not callable(getattr(value, method, None)):
            _fail(
                attribute,
                _is(value),
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
                _is(value),
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
                _is(value),
                "a dict of strings is allowed",
                f'write {attribute.name}={{"NAME": "value"}}',
            )
        for pair in value:
            if not isinstance(pair, tuple) or len(pair) != 2:
                _fail(
                    attribute,
                    f"{pair!r} is no pair",
                    "a dict of strings is allowed",
                    f'write {attribute.name}={{"NAME": "value"}}',
                )
            key, item = pair
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
                    f"{key} is {item!r}",
                    "a string is allowed",
                    f"write {key!r}: {str(item)!r}",
                )

    return check


def _is(value: Any) -> str:
    """A value and its kind, in words a stack's author would use."""
    if value is None:
        return "is None"
    if isinstance(value, str) and not value:
        return "is empty"
    if isinstance(value, type):
        return f"{value.__name__} is a class, not a value of it"
    kind = type(value).__name__
    return f"{value!r} is {'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
