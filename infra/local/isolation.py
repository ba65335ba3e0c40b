"""Which namespaces this machine lets us have, and how a replica is started in them."""

import functools
import shutil
import subprocess
from collections.abc import Sequence

import attrs

_NAMESPACES = ("--net", "--pid", "--fork", "--kill-child", "--mount")
_AS_USER = ("--user", "--map-root-user")
_PROBE_SECONDS = 10


@attrs.frozen(kw_only=True)
class Isolation:
    """
    How replicas are kept apart on this machine.

    Attributes:
        prefix: What stands before a replica's command.
        notice: What the person who starts them must know; None when nothing is amiss.
    """

    prefix: Sequence[str]
    notice: str | None = None

    @property
    def is_complete(self) -> bool:
        """Each replica has its own network, processes and root folder: several may use one port."""
        return self.notice is None


_NONE = Isolation(
    prefix=(),
    notice=(
        "This machine permits no network namespaces, so each service runs one replica, on the "
        "port that its module names; Volumes are folders of the replica, at other paths than on "
        "Modal."
    ),
)


@functools.cache
def isolation() -> Isolation:
    """The most that is permitted: as root, as a user in a user namespace, or nothing."""
    program = shutil.which("unshare")
    for privileges in ((), _AS_USER) if program else ():
        prefix = (str(program), *privileges, *_NAMESPACES)
        # Some systems grant the namespaces, but no rights in them: so mount something.
        probe = subprocess.run(
            [*prefix, "mount", "--rbind", "/", "/"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
        if probe.returncode == 0:
            return Isolation(prefix=prefix)
    return _NONE
