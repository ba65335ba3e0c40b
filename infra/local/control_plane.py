"""Start and stop a control plane inside this process."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from infra.local.servers import Servers

# What a plane needs (modal, grpclib, asyncio, sqlite3) is imported when one starts: commands that
# never start one import this module too.


class ControlPlane:
    """
    A loopback Modal control plane whose state is kept under a folder.

    It runs on a thread of its own, so that the synchronous SDK can be used against it from the
    one that started it. Several planes may share a folder, in one process or in many.

    Args:
        root: Folder of the state; created when missing.
        port: TCP port; 0 takes a free one.
        delay_seconds: Waited before every answer: shows whether a client's reads are concurrent.

    Attributes:
        calls: How often each call arrived since the start, by name; answered or not.
    """

    def __init__(self, root: Path, *, port: int = 0, delay_seconds: float = 0.0) -> None:
        self._root = root.absolute()
        self._port = port
        self._delay_seconds = delay_seconds
        self._servers: Servers | None = None
        self.calls: Counter[str] = Counter()

    def start(self) -> None:
        from infra.local.servers import Servers

        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._servers = Servers(self._root, self._port, self.pause, self.calls)

    def stop(self) -> None:
        if self._servers is not None:
            self._servers.stop()
            self._servers = None

    async def pause(self) -> None:
        """Waited before every answer, in the plane's own event loop."""
        import asyncio

        await asyncio.sleep(self._delay_seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._started.port}"

    def environ(self) -> dict[str, str]:
        """The environment variables that point the SDK and the `modal` command here."""
        token_id, token_secret = self._started.token
        return {
            "MODAL_SERVER_URL": self.url,
            "MODAL_TOKEN_ID": token_id,
            "MODAL_TOKEN_SECRET": token_secret,
            # Settings for the real service must not reach this one: no profile, no environment.
            "MODAL_CONFIG_PATH": str(self._root / "modal.toml"),
            "MODAL_ENVIRONMENT": "",
            "MODAL_DISABLE_API_PROXY": "1",
        }

    def requests(self, *methods: str) -> "list[Message]":
        """The recorded requests of these calls, oldest first; without names, all of them."""
        from infra.local.recordings import recorded

        return recorded(self._started.database, methods)

    @property
    def _started(self) -> "Servers":
        if self._servers is None:
            raise RuntimeError("this control plane is not started")
        return self._servers
