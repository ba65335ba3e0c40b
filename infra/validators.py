"""attrs validators whose messages say what is so, what is allowed, then what to do."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import attrs

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]

SHOWN = 60  # characters of a wrong value


class Form(NamedTuple):
    """
    What strings of a kind look like.

    Attributes:
        pattern: The whole string matches this.
        words: The same for people, such as "a name in small letters".
    """

    pattern: str
    words: str


# Modal: names of apps, volumes and secrets
NAME = Form(
    r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}",
    "a name of up to 63 letters, digits, '.', '_' and '-', a letter or digit first,",
)
# Hugging Face
REPOSITORY = Form(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", "a model's name on the Hub")
REVISION = Form(r"[\w./-]+", "a commit or a branch")
VARIABLE = Form(
    r"[A-Za-z_][A-Za-z0-9_]*",
    "an environment variable's name of letters, digits and '_', no digit first,",
)


def _fail(attribute: "attrs.Attribute[Any]", so: str, allowed: str, fix: str) -> None:
    raise ValueError(f"{attribute.name}: {so}; {allowed}; {fix}")


def optional(inner: Validator) -> Validator:
    """Let None through: the field is then left to its default at Modal or SGLang."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if value is not None:
            inner(instance, attribute, value)

    return check


def text(form: Form | None = None, *, example: str) -> Validator:
    """A string that is not empty, of the `form` if one is given."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str) or not value:
            _fail(
                attribute,
                _is(value),
                "a string that is not empty is allowed",
                f"write {attribute.name}={example!r}, for example",
            )
        if form and not re.fullmatch(form.pattern, value):
            _fail(
                attribute,
                f"{_shown(value)} does not fit",
                f"{form.words} is allowed",
                f"write {attribute.name}={example!r}, for example",
            )

    return check


def whole_number(minimum: int, maximum: int, *, example: int | None = None) -> Validator:
    """An int (a bool is none) from `minimum` to `maximum`, both included."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            so = _is(value)
        elif value < minimum:
            so = f"{_shown(value)} is too small"
        elif value > maximum:
            so = f"{_shown(value)} is too large"
        else:
            return
        _fail(
            attribute,
            so,
            f"a whole number, {minimum} to {maximum}, is allowed",
            f"write {attribute.name}={example or max(minimum, 1)}, for example",
        )

    return check


def number(minimum: float, maximum: float, *, example: float) -> Validator:
    """An int or float (a bool is none) from `minimum` to `maximum`, both included."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
            so = _is(value)
        elif value < minimum:
            so = f"{_shown(value)} is too small"
        elif value > maximum:
            so = f"{_shown(value)} is too large"
        else:
            return
        _fail(
            attribute,
            so,
            f"a number, {minimum} to {maximum}, is allowed",
            f"write {attribute.name}={example}, for example",
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
                f"{_shown(value)} is not known",
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
                f"{_shown(value)} is no place for a Volume",
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


def each(inner: Validator, *, one: str = "") -> Validator:
    """A tuple (lists, and strings where `one` is given as an example, are converted) of `inner`."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, tuple):
            _fail(
                attribute,
                _is(value),
                "a string or a list of them is allowed" if one else "a list is allowed",
                f"write {attribute.name}={one!r}, for example"
                if one
                else f"write {attribute.name}=[...]",
            )
        for item in value:
            inner(instance, attribute, item)

    return check


def text_pairs(form: Form = VARIABLE, *, example: str = "NAME") -> Validator:
    """A mapping (converted to pairs) from strings of a form, environment variables', to strings."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, tuple):
            _fail(
                attribute,
                _is(value),
                "a dict of strings is allowed",
                f'write {attribute.name}={{"{example}": "value"}}',
            )
        for pair in value:
            if not isinstance(pair, tuple) or len(pair) != 2:
                _fail(
                    attribute,
                    f"{_shown(pair)} is no pair",
                    "a dict of strings is allowed",
                    f'write {attribute.name}={{"{example}": "value"}}',
                )
            key, item = pair
            if not isinstance(key, str) or not re.fullmatch(form.pattern, key):
                _fail(
                    attribute,
                    f"{_shown(key)} does not fit",
                    f"{form.words} is allowed",
                    f"write {attribute.name}={{{example!r}: ...}}, for example",
                )
            if not isinstance(item, str):
                _fail(
                    attribute,
                    f"{key} is {_shown(item)}",
                    "a string is allowed",
                    f"write {key!r}: {_shown(item)!r}",
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
    kind = f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
    if attrs.has(type(value)):
        name = getattr(value, "name", None)
        return f"is {kind}" + (f" named {_shown(name)}" if isinstance(name, str) else "")
    return f"{_shown(value)} is {kind}"


def _shown(value: Any) -> str:
    """A value as Python writes it, cut where it gets long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no int of more than 4,300 digits
        return "a very large number"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
