"""The containers that the state knows of; Modal's API calls each of them a task."""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from infra.local.call import Call, not_found
from infra.local.services import ServiceVersion

ENDED = ("stopped", "failed")


def this_process() -> str:
    """A name of this process that no later one gets, as process ids are used again."""
    return _name(os.getpid())


def is_alive(owner: str) -> bool:
    pid = int(owner.partition(":")[0])
    try:
        return _name(pid) == owner
    except ProcessLookupError:
        return False


def _name(pid: int) -> str:
    try:
        # The name of the program may hold spaces and brackets: what follows it does not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        os.kill(pid, 0)
        return f"{pid}:"
    return f"{pid}:{fields[19]}"


def add(call: Call, task_id: str, service: ServiceVersion) -> None:
    call.do(
        "INSERT INTO tasks (id, app_id, function_id, version, owner, state, enqueued_at) "
        "VALUES (?, ?, ?, ?, ?, 'starting', ?)",
        task_id,
        service.app_id,
        service.function_id,
        service.version,
        this_process(),
        call.now,
    )


def change(call: Call, task_id: str, state: str, reason: str = "") -> None:
    call.do("UPDATE tasks SET state = ?, reason = ? WHERE id = ?", state, reason, task_id)
    if state in ENDED:
        call.do("UPDATE tasks SET finished_at = ? WHERE id = ?", call.now, task_id)
    elif state == "ready":
        call.do(
            "UPDATE tasks SET started_at = ? WHERE id = ? AND NOT started_at", call.now, task_id
        )


def get(call: Call, task_id: str) -> sqlite3.Row:
    row = call.one("SELECT * FROM tasks WHERE id = ?", task_id)
    if row is None:
        not_found(f"Container {task_id!r} not found.")
    return row


def running(call: Call, where: str = "1", *values: object) -> list[sqlite3.Row]:
    """Those of living processes: a killed daemon takes its replicas with it."""
    rows = call.all(
        "SELECT tasks.*, apps.name AS app_name FROM tasks JOIN apps ON apps.id = app_id "
        f"WHERE tasks.state NOT IN ('stopped', 'failed') AND {where} ORDER BY enqueued_at",
        *values,
    )
    owners = {row["owner"] for row in rows}
    alive = {owner for owner in owners if is_alive(owner)}
    return [row for row in rows if row["owner"] in alive]


def abandoned(call: Call) -> list[sqlite3.Row]:
    """Those that are not ended, of processes that are."""
    rows = call.all("SELECT * FROM tasks WHERE state NOT IN ('stopped', 'failed')")
    return [row for row in rows if not is_alive(row["owner"])]


def bury(call: Call, task_ids: Iterable[str]) -> None:
    """What a killed daemon could not write down any more."""
    for task_id in task_ids:
        change(call, task_id, "failed", "the daemon was killed")
