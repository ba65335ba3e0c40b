"""Two records of an App and what is live in, the changes between them out."""

import enum
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

import attrs

from infra.configuration import is_readable, recorded
from infra.manifest import Manifest
from infra.spell import Call, one_line
from infra.tiers import IN_PLACE, REPLACE, ROLLING, gravest, tier_of

Plain = Mapping[str, Any]
Configurations = Mapping[str, Mapping[str, Any]]  # by address: what Modal reports of services
ABSENT = None  # the resource, or the field, does not exist


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
        before: Plain data as it is live, or as recorded where that can't be read; None: nothing.
        after: Plain data, or None where there is none.
        follows: The field that the value is derived from, or None.
        tier: How much it disturbs, of `infra.tiers`; None in a resource that comes or goes.
        drifted: Whether somebody changed it outside of infra.
        was: What was recorded, if it drifted.
        already: Whether it is live as it should be, so that only the record is behind.
    """

    path: str
    before: Any
    after: Any
    follows: str | None = None
    tier: str | None = None
    drifted: bool = False
    was: Any = None
    already: bool = False


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
        reason: One line on what it does to what is running, or empty.
    """

    address: str
    action: Action
    before: Plain | None
    after: Plain | None
    fields: tuple[FieldChange, ...]
    reason: str = ""

    @property
    def tier(self) -> str | None:
        """The gravest of its fields' tiers; a resource that comes or goes makes a new version."""
        if self.action in (Action.CREATE, Action.DELETE):
            return ROLLING
        return gravest(field.tier for field in self.fields)


def diff(
    before: Manifest | None, after: Manifest | None, live: Configurations | None = None
) -> tuple[Change, ...]:
    """
    The changes that lead from what is deployed to what is wanted.

    | recorded | live       | wanted | meaning                                              |
    |----------|------------|--------|------------------------------------------------------|
    | none     | -          | x      | create                                               |
    | x        | -          | none   | delete; a Volume is kept, for it holds data          |
    | a        | a          | a      | nothing                                              |
    | a        | a          | b      | change                                               |
    | a        | b          | a      | drift: b -> a                                        |
    | a        | b          | b      | already so: only the record is behind                |
    | a        | b          | c      | change over drift: b -> c                            |
    | a        | unreadable | b      | change: a -> b                                       |

    Secrets are nobody's to create or delete here, so they only show as a service's field. That
    the module's text differs is told only where nothing else makes a new version.

    Args:
        before: What was recorded; None: the App is not deployed.
        after: What is wanted; None: the App is not.
        live: What Modal reports now; a service that is missing in it is gone. None: not asked.
    """
    old, new = _resources(before), _resources(after)
    changes = [
        change
        for address in dict.fromkeys([*old, *new])
        if (change := _change(address, old, new, live))
    ]
    only_in_place = all(change.tier == IN_PLACE for change in changes)
    if before and after and before.module != after.module and only_in_place:
        address = f"app.{after.app}"
        field = FieldChange(
            path="module", before=before.module[:12], after=after.module[:12], tier=ROLLING
        )
        update = Change(
            address=address,
            action=Action.UPDATE,
            before=old[address],
            after=new[address],
            fields=(field,),
        )
        changes.append(update)
    return tuple(changes)


def _resources(manifest: Manifest | None) -> dict[str, Plain]:
    if manifest is None:
        return {}
    app = {"name": manifest.app}
    if manifest.stack:
        app["stack"] = manifest.stack
    resources = {f"app.{manifest.app}": app, **manifest.resources}
    return {key: held for key, held in resources.items() if not key.startswith("secret.")}


def _change(
    address: str,
    old: Mapping[str, Plain],
    new: Mapping[str, Plain],
    live: Configurations | None,
) -> Change | None:
    before, after = old.get(address), new.get(address)
    kind, _, name = address.partition(".")
    if kind == "service" and live is not None and address not in live:
        before = ABSENT
    now = live.get(address) if live and kind == "service" else None
    stays = before is not ABSENT and after is not ABSENT
    fields = tuple(_fields(before or {}, after or {}, now if stays else None))
    if stays:
        assert after is not None
        builds = new.get(f"image.{name}", {}).get("builds", ())
        fields = tuple(
            attrs.evolve(field, tier=tier_of(kind, field.path, field.after, after, builds))
            for field in fields
        )
    if before is after is ABSENT or (stays and not fields):
        return None  # at most, what a value is derived from
    if before is ABSENT:
        action = Action.CREATE
    elif after is ABSENT:
        action = Action.FORGET if kind == "volume" else Action.DELETE
    elif gravest(field.tier for field in fields) == REPLACE:
        action = Action.REPLACE
    else:
        action = Action.UPDATE
    return Change(address=address, action=action, before=before, after=after, fields=fields)


def _fields(before: Plain, after: Plain, live: Plain | None) -> Iterator[FieldChange]:
    follows = {**before.get("follows", {}), **after.get("follows", {})}
    old, new = dict(leaves(before)), dict(leaves(after))
    was, should = (recorded(before), recorded(after)) if live is not None else ({}, {})
    now = live or {}
    for path in dict.fromkeys([*old, *new, *now]):
        drifted = live is not None and is_readable(path) and now.get(path) != was.get(path)
        already = drifted and now.get(path) == should.get(path)
        if drifted or old.get(path) != new.get(path):
            yield FieldChange(
                path=path,
                before=now.get(path) if drifted and not already else old.get(path),
                after=new.get(path),
                follows=follows.get(path.rpartition(" ")[2]),
                drifted=drifted,
                was=old.get(path) if drifted else None,
                already=already,
            )
    for name in ("steps", "builds", "files"):
        yield from _sequence(name, before.get(name, []), after.get(name, []))


def leaves(data: Plain, path: str = "") -> Iterator[tuple[str, Any]]:
    """A resource's values by their paths, but for the steps of images."""
    for key, held in data.items():
        if not path and key in ("name", "follows", "steps", "builds", "files"):
            continue
        if isinstance(held, Mapping):
            separator = " " if key in ("engine", "volumes") else "."
            for inner, leaf in leaves(held, "inner"):
                yield f"{key}{separator}{inner}", leaf
        else:
            yield key, held


def _sequence(name: str, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    """The steps that differ, or some keys of theirs, with what only moved along left out."""
    old, new = [*map(step_text, before)], [*map(step_text, after)]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                yield from _keys(f"{name}[{j}]", before[i], after[j])
            continue
        for offset in range(max(i2 - i1, j2 - j1)):
            has_old, has_new = i1 + offset < i2, j1 + offset < j2
            yield FieldChange(
                path=f"{name}[{j1 + offset if has_new else i1 + offset}]",
                before=old[i1 + offset] if has_old else None,
                after=new[j1 + offset] if has_new else None,
            )


def _keys(path: str, before: Plain, after: Plain) -> Iterator[FieldChange]:
    """What a build is run with that its text does not say, such as its time limit."""
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield FieldChange(path=f"{path}.{key}", before=before.get(key), after=after.get(key))


def step_text(step: Plain) -> str:
    """A step of an image as it would be written in Python, on one line."""
    if "call" in step:
        kwargs = tuple(step.get("kwargs", {}).items())
        call = Call(step["call"], tuple(step.get("args", ())), kwargs)
    else:
        call = Call("run", (" ".join(step["command"]),))
    content = f" with content {step['content'][:12]}" if "content" in step else ""
    return one_line(call) + content
