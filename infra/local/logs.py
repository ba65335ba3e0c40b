"""What containers print: kept line by line, and read back by time, by container, by text."""

import itertools
import sqlite3
from collections.abc import Iterable
from typing import Any

import attrs
from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from infra.local import apps, tasks
from infra.local.call import Call, Handlers, invalid

# Enough for any look back; without a limit a long-lived plane would grow for ever.
_KEPT = 100_000
# What somebody who begins to follow sees of what was before.
_FIRST_LOOK = 100
_NANOSECONDS = 1_000_000_000


@attrs.frozen(kw_only=True)
class Line:
    """
    One line of output.

    Attributes:
        text: With its end, if it has one.
        at_ns: Since the epoch.
        source: Modal's FileDescriptor.
    """

    app_id: str
    function_id: str
    task_id: str
    text: str
    at_ns: int
    source: int


def append(call: Call, lines: Iterable[Line]) -> None:
    call.db.executemany(
        "INSERT INTO log_lines (app_id, function_id, task_id, at_ns, source, text) "
        "VALUES (:app_id, :function_id, :task_id, :at_ns, :source, :text)",
        [attrs.asdict(line) for line in lines],
    )
    call.do(
        "DELETE FROM log_lines WHERE sequence <= (SELECT max(sequence) FROM log_lines) - ?", _KEPT
    )


def _matching(call: Call, request: Any, more: str, *values: Any) -> list[sqlite3.Row]:
    """The lines that a request's filters let through and `more` selects, oldest first."""
    filters = {
        "app_id": request.app_id,
        "function_id": request.function_id,
        "task_id": request.task_id,
    }
    given = {column: value for column, value in filters.items() if value}
    where = "".join(f"{column} = ? AND " for column in given)
    if request.search_text:
        where += "instr(text, ?) AND "
        given["search_text"] = request.search_text
    rows = call.all(f"SELECT * FROM log_lines WHERE {where}{more}", *given.values(), *values)
    return sorted(rows, key=lambda row: row["sequence"])


def _batches(rows: Iterable[sqlite3.Row]) -> list[api_pb2.TaskLogsBatch]:
    """Neighbours of one container together."""
    batches = []
    for (task_id, function_id), group in itertools.groupby(
        rows, key=lambda row: (row["task_id"], row["function_id"])
    ):
        lines = list(group)
        batches.append(
            api_pb2.TaskLogsBatch(
                task_id=task_id,
                function_id=function_id,
                entry_id=str(lines[-1]["sequence"]),
                items=[
                    api_pb2.TaskLogs(
                        data=line["text"],
                        file_descriptor=line["source"],
                        timestamp=line["at_ns"] / _NANOSECONDS,
                        timestamp_ns=line["at_ns"],
                        container_id=task_id,
                    )
                    for line in lines
                ],
            )
        )
    return batches


def _fetch(call: Call, request: api_pb2.AppFetchLogsRequest) -> api_pb2.AppFetchLogsResponse:
    apps.get(call, request.app_id)
    rows = _matching(
        call,
        request,
        "(? IN (0, source)) AND at_ns >= ? AND at_ns < ? ORDER BY sequence DESC LIMIT ?",
        request.source,
        request.since.ToNanoseconds(),
        request.until.ToNanoseconds(),
        request.limit or -1,
    )
    return api_pb2.AppFetchLogsResponse(batches=_batches(rows))


def _count(call: Call, request: api_pb2.AppCountLogsRequest) -> api_pb2.AppCountLogsResponse:
    apps.get(call, request.app_id)
    if not request.bucket_secs:
        invalid("bucket_secs must be positive")
    rows = _matching(
        call,
        request,
        "(? IN (0, source)) AND at_ns >= ? AND at_ns < ?",
        request.source,
        request.since.ToNanoseconds(),
        request.until.ToNanoseconds(),
    )
    width = request.bucket_secs * _NANOSECONDS
    response = api_pb2.AppCountLogsResponse(app_id=request.app_id)
    buckets: dict[int, api_pb2.AppCountLogsResponse.LogBucket] = {}
    for row in rows:
        start = row["at_ns"] // width * width
        if start not in buckets:
            moment = Timestamp()
            moment.FromNanoseconds(start)
            buckets[start] = response.buckets.add(bucket_start_at=moment)
        match row["source"]:
            case api_pb2.FILE_DESCRIPTOR_STDOUT:
                buckets[start].stdout_logs += 1
            case api_pb2.FILE_DESCRIPTOR_STDERR:
                buckets[start].stderr_logs += 1
            case _:
                buckets[start].system_logs += 1
    return response


def _follow(call: Call, request: api_pb2.AppGetLogsRequest) -> list[api_pb2.TaskLogsBatch]:
    """What is new; with nothing new, the dispatcher asks again for as long as the client waits."""
    if request.last_entry_id:
        newer = "(? IN (0, source)) AND sequence > ?"
        rows = _matching(call, request, newer, request.file_descriptor, int(request.last_entry_id))
    else:
        latest = "(? IN (0, source)) ORDER BY sequence DESC LIMIT ?"
        rows = _matching(call, request, latest, request.file_descriptor, _FIRST_LOOK)
    if request.app_id:
        apps.get(call, request.app_id)
    of_app = tasks.running(call, "? IN ('', app_id)", request.app_id)
    if not rows and not any(request.task_id in ("", task["id"]) for task in of_app):
        # Nothing runs that could print more: without an end the client would ask for ever.
        return [api_pb2.TaskLogsBatch(app_done=True)]
    return _batches(rows)


READS: Handlers = {
    "AppCountLogs": _count,
    "AppFetchLogs": _fetch,
    "AppGetLogs": _follow,
}
