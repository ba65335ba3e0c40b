"""Leases on Apps as values: how they are stored, when they end, what is said of them."""

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import attrs

from infra.errors import InfraError, TargetError

LIFETIME = 120.0  # seconds that a lease lasts without being renewed
MARGIN = 30.0  # seconds that the clocks of two machines may differ
SIZE_LIMIT = 16 * 1024  # bytes; ours have some 400

LAST_GENERATION = 10**16 - 1  # whoever works for ever does not come there; others may write it
_KEY = re.compile(rb"(.+)/([1-9][0-9]{0,15})")
_LAST_MOMENT = 253402300800.0  # the year 10000, which no date can say
T = TypeVar("T", bound=attrs.AttrsInstance)


@attrs.frozen(kw_only=True)
class Holder:
    """
    A process that works on Apps.

    Attributes:
        user: Who started it.
        host: Where it runs.
        pid: Its process id there.
        command: The command of infra that it carries out, such as ``apply``.
        ci_url: The page of the CI job that it belongs to, or empty.
    """

    user: str
    host: str
    pid: int
    command: str
    ci_url: str

    def __str__(self) -> str:
        job = f", {self.ci_url}" if self.ci_url else ""
        return f"{self.user} on {self.host} (process {self.pid}, infra {self.command}{job})"


@attrs.frozen(kw_only=True)
class Lease:
    """
    One generation of an App's lock; the highest one counts.

    Attributes:
        app: Whose lock.
        generation: From 1; each taking and each release makes the next.
        token: Random: by it a holder knows its own, even where an answer was lost on the way.
        stack: The stack that the holder works on.
        holder: Who has it, or who released it.
        acquired_at: Seconds since 1970, by the holder's clock; renewals keep it.
        expires_at: Likewise; until then the holder may go on.
        released: Nobody has the lock.
    """

    app: str
    generation: int
    token: str
    stack: str
    holder: Holder
    acquired_at: float
    expires_at: float
    released: bool

    @property
    def key(self) -> str:
        return f"{self.app}/{self.generation}"

    @property
    def free_at(self) -> float:
        """From when on another may take the App, whatever the two clocks differ by."""
        return self.expires_at + MARGIN

    def is_free(self, now: float) -> bool:
        return self.released or now >= self.free_at

    def is_held_by(self, token: str) -> bool:
        return self.token == token and not self.released

    def to_json(self) -> bytes:
        return json.dumps(attrs.asdict(self), ensure_ascii=False, sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes, key: str) -> Self:
        """
        Read what is stored under a key; anybody in the workspace may have put it there.

        Raises:
            TargetError: It is not a lease for this key.
        """
        try:
            if len(text) > SIZE_LIMIT:
                raise ValueError(f"it has {len(text)} bytes, and {SIZE_LIMIT} are allowed")
            data = json.loads(text.decode("utf-8"))
            holder = data.get("holder") if isinstance(data, dict) else None
            lease = _exactly(cls, data, {"holder": _exactly(Holder, holder, {})})
            if lease.key != key:
                raise ValueError(f"it belongs to {lease.key}")
            if lease.generation >= LAST_GENERATION:
                raise ValueError("no generation can follow it")
        except (ValueError, RecursionError) as error:
            raise TargetError(
                f"Dict infra-locks: {key} is not a lease ({error}); nothing but infra may write "
                "there; when no apply is running, run `infra unlock STACK`"
            ) from error
        return lease


class Locked(InfraError):
    """
    Somebody else works on an App.

    Attributes:
        lease: Theirs.
    """

    exit_code = 10

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        super().__init__(
            f"app.{lease.app}: locked by {lease.holder} for stack {lease.stack}, since "
            f"{moment(lease.acquired_at)}; free at {moment(lease.free_at)} unless renewed\n"
            "Nothing was changed. To wait for it, use --lock-timeout; if that process is gone, "
            "run `infra unlock STACK`."
        )


class LockLost(InfraError):
    """An App's lock is not ours any more: somebody else may change the App, and we may not."""

    def __init__(self, lease: Lease, current: Lease | None) -> None:
        if current is None:
            how = "its entry is gone from Dict infra-locks"
        elif current.token == lease.token:
            how = f"it could not be renewed until {moment(lease.expires_at)}"
        else:
            how = f"{current.holder} took it at {moment(current.acquired_at)}"
        super().__init__(
            f"app.{lease.app}: the lock is lost: {how}; only its holder may change the App; "
            "plan again"
        )


@attrs.frozen(kw_only=True)
class Row:
    """
    What the Dict holds for one App.

    Attributes:
        app: Whose lock.
        generations: Those that are there, the highest last.
        value: The bytes of the highest, not looked at yet.
    """

    app: str
    generations: tuple[int, ...]
    value: bytes

    def lease(self) -> Lease:
        """The generation that counts."""
        return Lease.from_json(self.value, f"{self.app}/{self.generations[-1]}")


def rows(entries: Iterable[tuple[bytes, bytes]], apps: Iterable[str]) -> dict[str, Row]:
    """The rows of some Apps; keys of another form than ours are nobody's lock."""
    found: dict[bytes, dict[int, bytes]] = {app.encode(): {} for app in apps}
    for key, value in entries:
        match = _KEY.fullmatch(key)
        if match and match[1] in found:
            found[match[1]][int(match[2])] = value
    return {
        app.decode(): Row(
            app=app.decode(), generations=tuple(sorted(values)), value=values[max(values)]
        )
        for app, values in found.items()
        if values
    }


def moment(at: float) -> str:
    """A time as people of all zones read it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _exactly(cls: type[T], data: Any, parts: dict[str, Any]) -> T:
    """An instance made of a JSON object that has its fields and no others, each of its type."""
    if not isinstance(data, dict):
        raise ValueError(f"a {cls.__name__} is a JSON object")
    values = {**data, **parts}
    types = {field.name: field.type for field in attrs.fields(cls)}
    if values.keys() != types.keys():
        raise ValueError(f"a {cls.__name__} has the fields {', '.join(types)}")
    for name, value in values.items():
        if type(value) is not types[name] or not _is_plain(value):
            raise ValueError(f"its {name} is {str(value)[:60]!r}")
    return cls(**values)


def _is_plain(value: Any) -> bool:
    """Whether it can be shown: no control characters for a terminal, no time without a date."""
    match value:
        case str():
            return value.isprintable()
        case float():
            return math.isfinite(value) and 0 <= value < _LAST_MOMENT - MARGIN
        case int():
            return value >= 0
    return True
