"""An App's deployments as Modal keeps them, through the one call that the SDK has no method for."""

import attrs

from infra.errors import TargetError


@attrs.frozen(kw_only=True)
class Deployed:
    """
    One deployment.

    Attributes:
        version: Modal's count.
        at: Seconds since 1970.
        by: Who deployed it.
        commit: Git commit of the deployer's checkout, or empty.
        dirty: Whether that checkout had changes beside the commit.
    """

    version: int
    at: float
    by: str
    commit: str
    dirty: bool


async def history(app_id: str) -> list[Deployed]:
    """
    The App's deployments, the newest first.

    Raises:
        TargetError: This modal has no such call; it is none of its public methods.
    """
    try:
        from modal._utils.async_utils import synchronizer
        from modal.client import _Client
        from modal_proto.api_pb2 import (
            AppDeploymentHistoryRequest,
            AppDeploymentHistoryResponse,
        )

        async def ask() -> AppDeploymentHistoryResponse:
            client = await _Client.from_env()
            return await client._stub.AppDeploymentHistory(
                AppDeploymentHistoryRequest(app_id=app_id)
            )

        response = await synchronizer.create_blocking(ask).aio()
    except (ImportError, AttributeError) as error:
        raise TargetError(
            f"history of {app_id}: this version of modal has no call for it ({error}); modal 1.6.4 "
            "to 1.x is allowed; install such a version"
        ) from error
    found = [
        Deployed(
            version=each.version,
            at=each.deployed_at,
            by=each.deployed_by,
            commit=each.commit_info.commit_hash,
            dirty=each.commit_info.dirty,
        )
        for each in response.app_deployment_histories
    ]
    return sorted(found, key=lambda each: -each.version)
