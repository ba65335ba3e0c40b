"""A plane's state for code in this process, without a call over a socket."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

from grpclib import Status

from infra.local.blobs import Blobs
from infra.local.call import Call, refuse
from infra.local.secret_values import SecretValues
from infra.local.store import Database
from infra.local.transfers import Links


class NoLinks(Links):
    """Contents have no URL where no plane serves them."""

    def whole(self, sha256_hex: str) -> NoReturn:
        refuse(Status.UNIMPLEMENTED, "contents of this size do not reach a local replica")

    def part(self, sha256_hex: str, *, offset: int, length: int) -> NoReturn:
        self.whole(sha256_hex)


def call_in(root: Path, connection: sqlite3.Connection) -> Call:
    """A call of this process itself, inside a transaction that it has opened."""
    return Call(
        db=connection,
        blobs=Blobs(root / "blobs"),
        secret_values=SecretValues(root / "secrets"),
        links=NoLinks(root=""),
        user="",
        client_version="",
        token=("", ""),
    )


@contextmanager
def writing(root: Path) -> Iterator[Call]:
    """One transaction on the state under a folder."""
    with closing(Database(root / "state.db")) as database:
        with database.writing() as connection:
            call = call_in(root, connection)
            yield call
        for action in call.after_commit:
            action()


@contextmanager
def reading(root: Path) -> Iterator[Call]:
    """One consistent snapshot of the state under a folder."""
    with closing(Database(root / "state.db")) as database, database.reading() as connection:
        yield call_in(root, connection)
