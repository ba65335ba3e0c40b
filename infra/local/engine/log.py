"""Lines as SGLang writes them to its log."""

import sys
import time

SHOWN = ("debug", "info")


class Log:
    """
    The engine's log on stderr.

    SGLang's processes mark their lines by rank; those of the first rank are shown.
    """

    def __init__(self, level: str, http_level: str, *, tp: int, ep: int) -> None:
        self._shown = level.lower() in SHOWN
        self._http_shown = http_level.lower() in SHOWN
        self._rank = (" TP0" if tp > 1 else "") + (" EP0" if ep > 1 else "")

    def server(self, message: str) -> None:
        """A line of the process that listens."""
        if self._shown:
            _write("", message)

    def access(self, peer: str, request: str, status: str) -> None:
        """A request that was answered."""
        if self._http_shown:
            _write("", f'INFO:     {peer} - "{request}" {status}')

    def scheduler(self, message: str) -> None:
        """A line of the process that runs the model."""
        if self._shown:
            _write(self._rank, message)


def _write(rank: str, message: str) -> None:
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    print(f"[{now}{rank}] {message}", file=sys.stderr, flush=True)
