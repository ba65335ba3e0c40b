"""Who holds a lock, as far as this machine can tell: this process, or one that has ended."""

import getpass
import os
import socket
from collections.abc import Mapping

from infra.lease import Holder


def holder_of_this_process(command: str, environ: Mapping[str, str]) -> Holder:
    """This process; in a CI job, with the person behind it and the job's page."""

    def first(*names: str) -> str:
        found = next((environ[name] for name in names if environ.get(name)), "")
        return "".join(filter(str.isprintable, found))[:500]

    github = [first(f"GITHUB_{each}") for each in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    return Holder(
        user=first("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "LOGNAME", "USER", "USERNAME")
        or _account(),
        host=socket.gethostname(),
        pid=os.getpid(),
        command=command,
        ci_url="{}/{}/actions/runs/{}".format(*github)
        if all(github)
        else first("CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "BUILD_URL"),
    )


def has_ended(holder: Holder) -> bool:
    """Whether a process of this machine is gone; False of other machines' processes."""
    if holder.host != socket.gethostname() or holder.pid <= 0:
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return f"uid {os.getuid()}"
