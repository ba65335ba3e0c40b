"""What happens to a resource in, an entry as Terraform's lists of changes have them out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import attrs

from infra.diff import FieldChange, Plain

FORMAT = "1.2"  # of Terraform's plans; what only infra has stands in keys that its readers ignore


def resource_json(
    module: str, address: str, actions: list[str], before: Plain | None, after: Plain | None
) -> dict[str, Any]:
    """A resource with its change; addresses begin with `module`."""
    kind, _, name = address.partition(".")
    place = {"module_address": module.rstrip(".")} if module else {}
    return {
        "address": module + address,
        **place,
        "mode": "managed",
        "type": kind,
        "name": name,
        "provider_name": "modal",
        "change": change_json(actions, before, after, {}),
    }


def change_json(actions: list[str], before: Any, after: Any, unknown: Any) -> dict[str, Any]:
    """A change of Terraform's; nothing in it is sensitive, for records have marks for secrets."""
    return {
        "actions": actions,
        "before": before,
        "after": after,
        "after_unknown": unknown,
        "before_sensitive": {} if isinstance(before, Mapping) else False,
        "after_sensitive": {} if isinstance(after, Mapping) else False,
    }


def field_json(field: FieldChange) -> dict[str, Any]:
    """The field with what is so of it; its two values always."""
    plain = attrs.asdict(field, recurse=False)
    always = ("path", "before", "after")
    return {key: held for key, held in plain.items() if key in always or held not in (None, False)}


def with_fields(
    resource: Plain | None, fields: Iterable[FieldChange], side: Literal["before", "after"]
) -> Plain | None:
    """The resource with one side of some fields in it."""
    if resource is None:
        return None
    for field in fields:
        resource = _put(resource, keys(field.path), getattr(field, side))
    return resource


def keys(path: str) -> list[str]:
    """A field's path, such as ``routing.region`` or ``engine --port``, as a list of keys."""
    outer, _, inner = path.partition(" ")
    return [outer, inner] if outer in ("engine", "volumes") else path.split(".")


def _put(data: Plain, path: Sequence[str], value: Any) -> Plain:
    """The data with a value at a path; None: with nothing there."""
    key, *rest = path
    if rest:
        value = _put(data.get(key, {}), rest, value)
    kept = {name: held for name, held in data.items() if name != key}
    return kept if value in (None, {}) else {**kept, key: value}
