"""Containers and their logs: there are none yet, and these calls say so."""

from modal_proto import api_pb2

from infra.local import apps, functions
from infra.local.call import Call, Handlers, not_found


def _list(_: Call, __: api_pb2.TaskListRequest) -> api_pb2.TaskListResponse:
    return api_pb2.TaskListResponse()


def _stop(_: Call, request: api_pb2.ContainerStopRequest) -> api_pb2.ContainerStopResponse:
    not_found(f"Container {request.task_id!r} not found.")


def _list_flash(
    call: Call, request: api_pb2.FlashContainerListRequest
) -> api_pb2.FlashContainerListResponse:
    functions.live(call, request.function_id)
    return api_pb2.FlashContainerListResponse()


def _count_logs(call: Call, request: api_pb2.AppCountLogsRequest) -> api_pb2.AppCountLogsResponse:
    apps.get(call, request.app_id)
    return api_pb2.AppCountLogsResponse(app_id=request.app_id)


def _fetch_logs(call: Call, request: api_pb2.AppFetchLogsRequest) -> api_pb2.AppFetchLogsResponse:
    apps.get(call, request.app_id)
    return api_pb2.AppFetchLogsResponse()


def _stream_logs(call: Call, request: api_pb2.AppGetLogsRequest) -> list[api_pb2.TaskLogsBatch]:
    apps.get(call, request.app_id)
    # Without an end the client would ask again at once, for ever.
    return [api_pb2.TaskLogsBatch(app_done=True)]


READS: Handlers = {
    "AppCountLogs": _count_logs,
    "AppFetchLogs": _fetch_logs,
    "AppGetLogs": _stream_logs,
    "ContainerStop": _stop,
    "FlashContainerList": _list_flash,
    "TaskList": _list,
}
