"""Autoscaler settings: a definition's own, and overrides until the next version."""

from modal_proto import api_pb2

from infra.local import functions
from infra.local.call import Call, Handlers

_DEFAULTS = api_pb2.AutoscalerSettings(
    min_containers=0, max_containers=0, buffer_containers=0, scaledown_window=60
)


def _configuration(call: Call, function_id: str) -> api_pb2.AutoscalerConfiguration:
    static = functions.live(call, function_id).data.autoscaler_settings
    row = call.one("SELECT * FROM functions WHERE id = ?", function_id)
    assert row is not None
    overrides = api_pb2.AutoscalerSettings.FromString(row["overrides"] or b"")
    current = api_pb2.AutoscalerSettings()
    for layer in (_DEFAULTS, static, overrides):
        current.MergeFrom(layer)
    event = api_pb2.UserActionInfo(
        timestamp=row["overridden_at"], requested_by=row["overridden_by"]
    )
    return api_pb2.AutoscalerConfiguration(
        settings=current,
        default_settings=_DEFAULTS,
        static_settings=static,
        override_settings=overrides,
        override_events={field.name: event for field, _ in overrides.ListFields()},
    )


def current(call: Call, function_id: str) -> api_pb2.AutoscalerSettings:
    """The settings in force."""
    return _configuration(call, function_id).settings


def _get(
    call: Call, request: api_pb2.FunctionGetSchedulingParamsRequest
) -> api_pb2.FunctionGetSchedulingParamsResponse:
    configuration = _configuration(call, request.function_id)
    return api_pb2.FunctionGetSchedulingParamsResponse(autoscaler_configuration=configuration)


def _update(
    call: Call, request: api_pb2.FunctionUpdateSchedulingParamsRequest
) -> api_pb2.FunctionUpdateSchedulingParamsResponse:
    overrides = _configuration(call, request.function_id).override_settings
    overrides.MergeFrom(request.settings)
    call.do(
        "UPDATE functions SET overrides = ?, overridden_at = ?, overridden_by = ? WHERE id = ?",
        overrides.SerializeToString(deterministic=True),
        call.now,
        call.user,
        request.function_id,
    )
    current = _configuration(call, request.function_id).settings
    return api_pb2.FunctionUpdateSchedulingParamsResponse(current_settings=current)


READS: Handlers = {"FunctionGetSchedulingParams": _get}
WRITES: Handlers = {"FunctionUpdateSchedulingParams": _update}
