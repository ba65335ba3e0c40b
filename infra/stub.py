"""The calls of Modal that its SDK has no public method for; all private use of it is here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from infra.errors import TargetError

if TYPE_CHECKING:
    from modal_proto.api_pb2 import AutoscalerSettings

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Deployed:
    """
    One deployment in an App's history.

    Attributes:
        version: Modal's count.
        at: Seconds since 1970.
        by: Who deployed it.
        commit: Git commit of the deployer's checkout, or empty.
        dirty: Whether that checkout had changes beside the commit.
        tag: What the deployer wrote to it; infra writes the manifest's fingerprint.
        rolled_back_to: The version that it restored, or None.
    """

    version: int
    at: float
    by: str
    commit: str
    dirty: bool
    tag: str
    rolled_back_to: int | None


@attrs.frozen(kw_only=True)
class Override:
    """
    A setting of an autoscaler that was changed while the App ran.

    Attributes:
        by: Who changed it.
        at: Seconds since 1970.
    """

    by: str
    at: float


@attrs.frozen(kw_only=True)
class Scaling:
    """
    An autoscaler as it is now.

    Attributes:
        settings: What holds; what is Modal's default is left out.
        defaults: Modal's defaults.
        overrides: By setting, where it was changed while the App ran.
    """

    settings: Mapping[str, Any]
    defaults: Mapping[str, Any]
    overrides: Mapping[str, Override]


async def history(app_id: str) -> list[Deployed]:
    """
    The App's deployments, the newest first.

    Raises:
        TargetError: This version of modal has no such call.
    """

    async def ask(stub: Any, api: Any) -> Any:
        return await stub.AppDeploymentHistory(api.AppDeploymentHistoryRequest(app_id=app_id))

    response = await call(f"the history of {app_id}", ask)
    found = [
        Deployed(
            version=each.version,
            at=each.deployed_at,
            by=each.deployed_by,
            commit=each.commit_info.commit_hash,
            dirty=each.commit_info.dirty,
            tag=each.tag,
            rolled_back_to=each.rollback_version or None,
        )
        for each in response.app_deployment_histories
    ]
    return sorted(found, key=lambda each: -each.version)


async def scaling(function_id: str) -> Scaling:
    """
    The autoscaler of a service, with who changed what.

    Raises:
        TargetError: This version of modal has no such call.
    """

    async def ask(stub: Any, api: Any) -> Any:
        request = api.FunctionGetSchedulingParamsRequest(function_id=function_id)
        return await stub.FunctionGetSchedulingParams(request)

    response = await call(f"the autoscaler of {function_id}", ask)
    configuration = response.autoscaler_configuration
    defaults = _settings(configuration.default_settings)
    return Scaling(
        settings={
            name: value
            for name, value in _settings(configuration.settings).items()
            if value != defaults.get(name) and not (name == "max_containers" and value == 0)
        },
        defaults=defaults,
        overrides={
            name: Override(by=event.requested_by, at=event.timestamp)
            for name, event in configuration.override_events.items()
        },
    )


def _settings(settings: "AutoscalerSettings") -> dict[str, Any]:
    """By name; a target that is a whole number is told as one."""
    return {
        field.name: int(value) if value == int(value) else value
        for field, value in settings.ListFields()
    }


async def call(what: str, ask: Callable[[Any, Any], Awaitable[T]]) -> T:
    """
    Make a call in the SDK's own event loop, with its client.

    Args:
        what: What is asked for, for the message.
        ask: Given the stub and the module of its messages.

    Raises:
        TargetError: This version of modal has no such call.
    """
    try:
        from modal._utils.async_utils import synchronizer
        from modal.client import _Client
        from modal_proto import api_pb2

        async def run() -> T:
            client = await _Client.from_env()
            return await ask(client._stub, api_pb2)

        answer: T = await synchronizer.create_blocking(run).aio()
        return answer
    except (ImportError, AttributeError) as error:
        raise TargetError(
            f"{what}: this version of modal has no call for it ({error}); modal 1.6.4 to 1.x is "
            "allowed; install such a version"
        ) from error
