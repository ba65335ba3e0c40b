"""What an App was deployed with, as plain data by address with a fingerprint."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import attrs

from infra.masking import masked_plain
from infra.resources import (
    AppResources,
    ImageStep,
    Resource,
    Service,
    address,
)

FORMAT = 1
FINGERPRINT_TAG = "infra-manifest"
STACK_TAG = "infra-stack"
FINGERPRINT_LENGTH = 40  # hex digits; a tag of Modal's holds 63 characters
UNRECORDED = ("comment", "models")
FIELDS = ("stack", "app", "module", "resources")


@attrs.frozen(kw_only=True)
class Manifest:
    """
    The record of one App.

    It is shown, compared and stored, so what looks like a secret is not in it but as a mark; the
    generated text has it.

    Attributes:
        stack: The stack's name.
        app: The App's name.
        module: SHA-256 of the generated text without its tags and without the settings that can be
            changed while it runs; so a new template or runtime function is a change, too.
        resources: Plain data by address; what is None or empty is left out, so that a new field
            with such a default is no change.
    """

    stack: str
    app: str
    module: str
    resources: Mapping[str, Mapping[str, Any]]
    # Of one that was read: whatever is taken for a secret by now, the record stays what it is.
    _stored: bytes | None = attrs.field(default=None, init=False, eq=False, repr=False)

    def to_json(self) -> bytes:
        """Canonical, or as it was read: one manifest has one text."""
        plain = {name: getattr(self, name) for name in FIELDS}
        return self._stored or canonical({"format": FORMAT, **plain})

    @classmethod
    def from_json(cls, text: bytes, fingerprint: str) -> "Manifest":
        """
        Read what a target has stored.

        Raises:
            ValueError: The text is not what the fingerprint was made of, or of another format.
        """
        if digest(text) != fingerprint:
            raise ValueError(f"its content does not have the fingerprint {fingerprint}")
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}; use the infra that wrote it")
        if set(data) != {*FIELDS}:
            raise ValueError(f"it holds {', '.join(data)}; use the infra that wrote it")
        resources = data["resources"]
        if not isinstance(resources, dict) or any(type(x) is not dict for x in resources.values()):
            raise ValueError("its resources are no mappings; use the infra that wrote it")
        # Before there were marks, or some of them, records had what looks like a secret in clear.
        data["resources"] = {name: _masked(name, held) for name, held in resources.items()}
        found = cls(**data)
        object.__setattr__(found, "_stored", text)
        return found

    @property
    def fingerprint(self) -> str:
        """The name under which a target stores the manifest."""
        return digest(self.to_json())


def manifest(app: AppResources, module: str) -> Manifest:
    """The record of the App, whose generated text has the digest `module`."""
    resources = {address(resource): _plain_resource(resource) for resource in app.all()}
    return Manifest(stack=app.stack, app=app.app, module=module, resources=resources)


def canonical(data: Any) -> bytes:
    """JSON with sorted keys, in ASCII: the same bytes on every machine."""
    return json.dumps(data, sort_keys=True, indent=1).encode() + b"\n"


def digest(text: bytes) -> str:
    """A fingerprint that fits into a tag."""
    return hashlib.sha256(text).hexdigest()[:FINGERPRINT_LENGTH]


def _masked(name: str, plain: dict[str, Any]) -> dict[str, Any]:
    """Without secrets, at the places where a stack can have them."""
    kind = name.partition(".")[0]
    whole = tuple(plain) if kind == "image" else ("engine", "entrypoint")
    return {key: masked_plain(held) if key in whole else held for key, held in plain.items()}


def _plain_resource(resource: Resource) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(resource)
    if isinstance(resource, Service):
        plain["engine"] = {each.flag: _words(each.values) for each in resource.arguments}
        plain["volumes"] = {mount.path: mount.volume.name for mount in resource.mounts}
        plain["follows"] = {each.flag: each.follows for each in resource.arguments if each.follows}
        plain["arguments"] = plain["mounts"] = None  # said by flag and by path instead
    return _masked(address(resource), _without_nothing(plain))


def _plain(value: Any) -> Any:
    """Plain data, without what is only for readers of the module and for estimates."""
    match value:
        case ImageStep(method=method, args=args, kwargs=kwargs, content=content):
            step = {"call": method, "args": args, "kwargs": dict(kwargs)}
            step |= {"content": content} if content else {}
            # As it will be read back, in the order of the keys and with lists for tuples;
            # otherwise an unchanged step would differ from its own record.
            return json.loads(canonical(_without_nothing(step)))
        case tuple() | list():
            return [_plain(item) for item in value]
    if attrs.has(type(value)):
        names = (field.name for field in attrs.fields(type(value)) if field.name not in UNRECORDED)
        return _without_nothing({name: _plain(getattr(value, name)) for name in names})
    return value


def _without_nothing(data: dict[str, Any]) -> dict[str, Any]:
    return {key: held for key, held in data.items() if held not in (None, [], {}, ())}


def _words(values: tuple[str, ...]) -> str | bool | list[str]:
    if not values:
        return True
    return values[0] if len(values) == 1 else list(values)
