"""What a handler gets to work with: one call, inside one transaction."""

import functools
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import attrs
from google.protobuf.message import Message
from grpclib import GRPCError, Status

from infra.local.blobs import Blobs
from infra.local.secret_values import SecretValues
from infra.local.transfers import Links

Handler = Callable[["Call", Any], "Message | list[Any]"]
Handlers = Mapping[str, Handler]


@attrs.frozen(kw_only=True)
class Call:
    """
    One call of a client.

    Attributes:
        db: Connection inside this call's transaction.
        user: Name of the operating system's user; recorded as who did it.
        client_version: Version of the SDK that calls.
        token: The plane's own token, as (id, secret).
        now: Seconds since the epoch; one value for the whole call.
        after_commit: Called when the transaction is durable, never when it is rolled back.
    """

    db: sqlite3.Connection
    blobs: Blobs
    secret_values: SecretValues
    links: Links
    user: str
    client_version: str
    token: tuple[str, str]
    now: float = attrs.field(factory=time.time)
    after_commit: list[Callable[[], None]] = attrs.field(factory=list)

    def one(self, query: str, *values: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.db.execute(query, values).fetchone()
        return row

    def all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        return self.db.execute(query, values).fetchall()

    def do(self, query: str, *values: Any) -> int:
        """Execute a change; the number of rows it touched."""
        return self.db.execute(query, values).rowcount

    def forget_values(self, file: str) -> None:
        """Remove a Secret's values once nothing refers to them any more."""
        self.after_commit.append(functools.partial(self.secret_values.remove, file))


def refuse(status: Status, message: str) -> NoReturn:
    """End the call with an answer that the SDK turns into its own exception."""
    raise GRPCError(status, message)


def not_found(message: str) -> NoReturn:
    refuse(Status.NOT_FOUND, message)


def invalid(message: str) -> NoReturn:
    refuse(Status.INVALID_ARGUMENT, message)
