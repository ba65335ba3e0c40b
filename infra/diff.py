"""Two records of an App in, the changes between them out."""

import enum
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

import attrs

from infra.manifest import Manifest
from infra.spell import Call, one_line

Plain = Mapping[str, Any]
ABSENT = None  # the resource, or the field, does not exist

# What Modal keeps under an identity: with another value it is another thing, at another URL.
REPLACING = {
    ("service", "class_name"),
    ("service", "routing.front_door"),
    ("service", "routing.proxy_regions"),
}


class Action(enum.Enum):
    """
    What happens to a resource: its name in JSON, its symbol, its line in a plan.

    In the order in which a plan lists them.
    """

    DELETE = ("delete", "-", "will be destroyed")
    REPLACE = ("replace", "-/+", "must be replaced")
    UPDATE = ("update", "~", "will be updated in-place")
    CREATE = ("create", "+", "will be created")
    FORGET = ("forget", ".", "will no longer be used, and is kept")

    def __init__(self, label: str, symbol: str, sentence: str) -> None:
        self.label = label
        self.symbol = symbol
        self.sentence = sentence


@attrs.frozen(kw_only=True)
class FieldChange:
    """
    One value that differs.

    Attributes:
        path: Such as ``routing.target_inputs`` or ``engine --port``.
        before: Plain data, or None where there was none.
        after: Plain data, or None where there is none.
        follows: The field that the value is derived from, or None.
        replaces: Whether it makes Modal create the resource anew.
    """

    path: str
    before: Any
    after: Any
    follows: str | None = None
    replaces: bool = False


@attrs.frozen(kw_only=True)
class Change:
    """
    What happens to one resource.

    Attributes:
        address: Such as ``service.qwen3-8b``.
        action: What happens.
        before: Its plain data, or None.
        after: Its plain data, or None.
        fields: What differs; of a resource that comes or goes, everything.
    """

    address: str
    action: Action
    before: Plain | None
    after: Plain | None
    fields: tuple[FieldChange, ...]


def diff(before: Manifest | None, after: Manifest | None) -> tuple[Change, ...]:
    """
    The changes that lead from one record to the other; None is an App that is not deployed.

    | before | after | action                                             |
    |--------|-------|----------------------------------------------------|
    | none   | x     | create                                             |
    | x      | none  | delete; a Volume is kept, for it holds data        |
    | x      | x     | none, unless only the module's text differs        |
    | x      | y     | update, or replace if a field is of `REPLACING`    |

    Secrets are nobody's to create or delete here, so they only show as a service's field.
    """
    old, new = _resources(before), _resources(after)
    changes = [
        change
        for address in dict.fromkeys([*old, *new])
        if (change := _change(address, old.get(address), new.get(address)))
    ]
    if not changes and before and after and before.module != after.module:
        field = FieldChange(path="module", before=before.module[:12], after=after.module[:12])
        address = f"app.{after.app}"
        changes.append(
            Change(
                address=address,
                action=Action.UPDATE,
                before=old[address],
                after=new[address],
                fields=(field,),
            )
        )
    return tuple(changes)


def _resources(manifest: Manifest | None) -> dict[str, Plain]:
    if manifest is None:
        return {}
    app = {"name": manifest.app, "stack": manifest.stack}
    resources = {f"app.{manifest.app}": app, **manifest.resources}
    return {key: held for key, held in resources.items() if not key.startswith("secret.")}


def _change(address: str, before: Plain | None, after: Plain | None) -> Change | None:
    if before == after:
        return None
    kind = address.partition(".")[0]
    fields = tuple(_fields(kind, before or {}, after or {}))
    if before is ABSENT:
        action = Action.CREATE
    elif after is ABSENT:
        action = Action.FORGET if kind == "volume" else Action.DELETE
    elif any(field.replaces for field in fields):
        action = Action.REPLACE
    else:
        action = Action.UPDATE
    return Change(address=address, action=action, before=before, after=after, fields=fields)


def _fields(kind: str, before: Plain, after: Plain) -> Iterator[FieldChange]:
    follows = {**before.get("follows", {}), **after.get("follows", {})}
    old, new = dict(_leaves(before)), dict(_leaves(after))
    for path in dict.fromkeys([*old, *new]):
        if old.get(path) != new.get(path):
            yield FieldChange(
                path=path,
                before=old.get(path),
                after=new.get(path),
                follows=follows.get(path.rpartition(" ")[2]),
                replaces=bool(before) and bool(after) and (kind, path) in REPLACING,
            )
    for name in ("steps", "builds", "files"):
        yield from _sequence(name, before.get(name, []), after.get(name, []))


def _leaves(data: Plain, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, held in data.items():
        if not path and key in ("name", "follows", "steps", "builds", "files"):
            continue
        if isinstance(held, Mapping):
            separator = " " if key in ("engine", "volumes") else "."
            for inner, leaf in _leaves(held, "inner"):
                yield f"{key}{separator}{inner}", leaf
        else:
            yield key, held


def _sequence(name: str, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    """The steps that differ, with those that only moved along left out."""
    old, new = [*map(step_text, before)], [*map(step_text, after)]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for offset in range(max(i2 - i1, j2 - j1)):
            has_old, has_new = i1 + offset < i2, j1 + offset < j2
            yield FieldChange(
                path=f"{name}[{j1 + offset if has_new else i1 + offset}]",
                before=old[i1 + offset] if has_old else None,
                after=new[j1 + offset] if has_new else None,
            )


def step_text(step: Plain) -> str:
    """A step of an image as it would be written in Python, on one line."""
    if "call" in step:
        kwargs = tuple(step.get("kwargs", {}).items())
        call = Call(step["call"], tuple(step.get("args", ())), kwargs)
    else:
        call = Call("run", (" ".join(step["command"]),))
    return one_line(call)
