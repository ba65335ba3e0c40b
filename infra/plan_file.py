"""A plan as a file, and back."""

import json
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from infra.diff import Action
from infra.errors import InfraError
from infra.plan import AppPlan, Plan

FORMAT = "1.3"


def to_json(plan: Plan) -> bytes:
    """
    The plan as text that `from_json` reads back.

    It holds the modules' text, but not that of a plan that can't be applied: what looks like a
    secret is an obstacle, and stands there in clear.
    """
    if plan.obstacles:
        plan = attrs.evolve(plan, apps=tuple(map(_without_text, plan.apps)))
    # Keys stay in their order, which is that of the stack's services.
    return json.dumps({"format_version": FORMAT, **_plain(plan)}, indent=1).encode() + b"\n"


def from_json(text: bytes, name: str) -> Plan:
    """
    Read a saved plan.

    Args:
        text: What `to_json` gave.
        name: The file's, for the message.

    Raises:
        InfraError: The file is no plan, or one of another format.
    """
    try:
        data = json.loads(text)
        if data.pop("format_version") != FORMAT:
            raise ValueError("another format")
        plan: Plan = _value(Plan, data, "plan")
        for app in () if plan.obstacles else plan.apps:
            if app.artifact and (app.app != app.artifact.app or not app.artifact.is_whole()):
                raise ValueError(f"the module of {app.app} is not the one that was planned")
        return plan
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InfraError(
            f"{name}: can't be read ({type(error).__name__}: {error}); a plan of format {FORMAT} "
            "is allowed; run `infra plan` again"
        ) from error


def _without_text(app: AppPlan) -> AppPlan:
    return attrs.evolve(app, artifact=app.artifact and app.artifact._replace(source=""))


def _plain(value: Any) -> Any:
    if isinstance(value, Action):
        return value.label
    if names := _names(type(value)):
        return {each: _plain(getattr(value, each)) for each in names}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _names(kind: Any) -> tuple[str, ...]:
    """The names of the fields that a value is made of; empty: it has none."""
    if attrs.has(kind):
        return tuple(field.name for field in attrs.fields(kind) if field.init)
    return getattr(kind, "_fields", ())  # of a NamedTuple


@cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of a value's fields; some of them the modules themselves import for typing only."""
    from infra.estimates import Estimate, Kernels
    from infra.rules import Accepted, Finding, Report

    names = {each.__name__: each for each in (Estimate, Kernels, Accepted, Finding, Report)}
    return get_type_hints(kind, localns=names)


def _value(kind: Any, data: Any, where: str) -> Any:
    """
    What `_plain` made of a value, as that value again.

    Raises:
        ValueError: It is none of that type.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return data
    if kind is Action and isinstance(data, str):
        return {action.label: action for action in Action}[data]
    if (names := _names(kind)) and isinstance(data, dict):
        hints = _hints(kind)
        if sorted(names) != sorted(data):
            raise ValueError(f"{where} has {', '.join(data)}")
        return kind(**{each: _value(hints[each], data[each], f"{where}.{each}") for each in names})
    if origin is tuple and isinstance(data, list):
        kinds = [parts[0]] * len(data) if parts[-1] is ... else parts
        return tuple(
            _value(each, item, f"{where}[{index}]")
            for index, (each, item) in enumerate(zip(kinds, data, strict=True))
        )
    if origin is Mapping and isinstance(data, dict):
        return {key: _value(parts[1], item, f"{where}.{key}") for key, item in data.items()}
    if origin in (Union, UnionType):
        if data is None and NoneType in parts:
            return None
        [kind] = [each for each in parts if each is not NoneType]
        return _value(kind, data, where)
    if origin is Literal and data in parts:
        return data
    if kind is float and type(data) in (int, float):
        return data
    if isinstance(kind, type) and type(data) is kind:
        return data
    raise ValueError(f"{where} is {data!r:.100}")
