"""Containers as clients see them: list, describe, count, stop."""

from modal_proto import api_pb2

from infra.local import functions, tasks
from infra.local.call import Call, Handlers
from infra.local.environments import environment


def _list(call: Call, request: api_pb2.TaskListRequest) -> api_pb2.TaskListResponse:
    home = environment(call, request.environment_name)
    rows = tasks.running(call, "environment_id = ?", home["id"])
    return api_pb2.TaskListResponse(
        tasks=[
            api_pb2.TaskStats(
                task_id=row["id"],
                app_id=row["app_id"],
                app_description=row["app_name"],
                started_at=row["started_at"],
                enqueued_at=row["enqueued_at"],
            )
            for row in rows
            if request.app_id in ("", row["app_id"])
        ]
    )


def _info(call: Call, request: api_pb2.TaskGetInfoRequest) -> api_pb2.TaskGetInfoResponse:
    row = tasks.get(call, request.task_id)
    return api_pb2.TaskGetInfoResponse(
        app_id=row["app_id"],
        info=api_pb2.TaskInfo(
            id=row["id"],
            enqueued_at=row["enqueued_at"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
        ),
    )


def _stop(call: Call, request: api_pb2.ContainerStopRequest) -> api_pb2.ContainerStopResponse:
    """Ask for it; the process that runs the container looks for this, and does it."""
    tasks.get(call, request.task_id)
    call.do("UPDATE tasks SET is_stop_asked = 1 WHERE id = ?", request.task_id)
    return api_pb2.ContainerStopResponse()


def _list_flash(
    call: Call, request: api_pb2.FlashContainerListRequest
) -> api_pb2.FlashContainerListResponse:
    functions.live(call, request.function_id)
    rows = tasks.running(call, "function_id = ? AND tasks.state = 'ready'", request.function_id)
    containers = [
        api_pb2.FlashContainerListResponse.Container(
            task_id=row["id"], host=row["host"], port=row["port"]
        )
        for row in rows
    ]
    return api_pb2.FlashContainerListResponse(containers=containers)


def _current_stats(
    call: Call, request: api_pb2.FunctionGetCurrentStatsRequest
) -> api_pb2.FunctionStats:
    functions.live(call, request.function_id)
    rows = tasks.running(call, "function_id = ?", request.function_id)
    return api_pb2.FunctionStats(num_total_tasks=len(rows))


READS: Handlers = {
    "FlashContainerList": _list_flash,
    "FunctionGetCurrentStats": _current_stats,
    "TaskGetInfo": _info,
    "TaskList": _list,
}
WRITES: Handlers = {"ContainerStop": _stop}
