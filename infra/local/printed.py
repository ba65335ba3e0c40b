"""What replicas have printed, as the state keeps it, for people."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from infra.errors import UsageError
from infra.local.call import Call
from infra.local.offline import call_in
from infra.local.store import DEFAULT_ENVIRONMENT, Database
from infra.text import harmless

_LOOK_SECONDS = 0.2


def printed(root: Path, service: str | None, *, last: int, follow: bool) -> Iterator[str]:
    """
    Lines, the oldest first, each with its replica's id.

    Args:
        root: Folder of the state.
        service: A service as the stack or its class is named, an App, or App and class with a dot
            between; None: all, each line with its service.
        last: How many of the lines that there are.
        follow: Go on for ever with those that come.

    Raises:
        UsageError: There is no such service.
    """
    with closing(Database(root / "state.db")) as database:
        sequence = -1
        while True:
            with database.reading() as connection:
                call = call_in(root, connection)
                names = _chosen(call, service)  # each time: services may come, too
                rows = _after(call, [*names], sequence, last)
                sequence = call.all("SELECT coalesce(max(sequence), -1) FROM log_lines")[0][0]
            for row in rows:
                name = f"{names[row['function_id']]} " if service is None else ""
                yield harmless(f"{name}{row['task_id']} {row['text'].rstrip()}")
            if not follow:
                return
            last = -1
            time.sleep(_LOOK_SECONDS)


def _chosen(call: Call, service: str | None) -> dict[str, str]:
    """The names of the services that are meant, by function id; also those of stopped Apps."""
    rows = call.all(
        "SELECT functions.id, apps.name AS app, functions.name, environments.name AS home "
        "FROM functions JOIN apps ON apps.id = app_id "
        "JOIN environments ON environments.id = environment_id "
        "WHERE EXISTS (SELECT * FROM ports WHERE ports.environment_id = apps.environment_id "
        "AND app_name = apps.name AND functions.name IN (class_name, class_name || '.*')) "
        "ORDER BY apps.name, functions.name"
    )
    names, found = {}, {}
    for row in rows:
        name = row["name"].removesuffix(".*")
        home = "" if row["home"] == DEFAULT_ENVIRONMENT else f"{row['home']}/"
        whole = names[row["id"]] = f"{home}{row['app']}.{name}"
        if service in (None, row["app"], whole) or _squeezed(service) == _squeezed(name):
            found[row["id"]] = whole
    if service is None or found:
        return found
    if not names:
        raise UsageError(
            f"infra local logs: nothing was deployed here, so there is no service {service!r}; one "
            "that was is allowed; run `infra apply STACK --target local`"
        )
    known = ", ".join(dict.fromkeys(names.values()))
    raise UsageError(
        f"infra local logs: there is no service {service!r}; {known} can be named; name one of them"
    )


def _squeezed(name: str) -> str:
    """A class is named after its service in the stack: `qwen3-8b` is `Qwen38b`."""
    return "".join(filter(str.isalnum, name)).lower()


def _after(call: Call, function_ids: list[str], sequence: int, limit: int) -> list[sqlite3.Row]:
    marks = ", ".join("?" * len(function_ids))
    rows = call.all(
        f"SELECT * FROM log_lines WHERE function_id IN ({marks}) AND sequence > ? "
        "ORDER BY sequence DESC LIMIT ?",
        *function_ids,
        sequence,
        limit,
    )
    return rows[::-1]
