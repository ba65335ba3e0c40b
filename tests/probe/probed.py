"""What tests of the probe do with what they have started."""

import subprocess

import attrs

MODEL = "Qwen/Qwen3-8B-FP8"
TOKEN = ("wk-probe", "ws-hidden")


@attrs.frozen
class Front:
    """
    A router.

    Attributes:
        url: Where it listens.
    """

    url: str
    _process: subprocess.Popen[str]

    def tell(self, line: str) -> None:
        """Add or close an engine; return when that is done."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"
