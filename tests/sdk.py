"""The modal SDK keeps one client per process; a test that moves where it points forgets it."""

import subprocess
from collections.abc import Callable

ModalCli = Callable[..., "subprocess.CompletedProcess[str]"]


def forget_modal_client() -> None:
    """Close the SDK's client, which it keeps for the process, with all that it remembers."""
    import modal
    from modal import _environments
    from modal.client import _Client

    if _Client._client_from_env is not None:
        modal.Client.from_env().close()
    _environments.ENVIRONMENT_CACHE.clear()
