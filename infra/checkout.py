"""The git checkout that a command runs in."""

import subprocess


def commit() -> str | None:
    """The commit, with ``-dirty`` behind it if there are changes beside it; None: no checkout."""
    command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    lines = done.stdout.splitlines()
    found = [line.split()[2] for line in lines if line.startswith("# branch.oid ")]
    if not found or found[0] == "(initial)":
        return None
    return found[0] + ("-dirty" if any(not line.startswith("#") for line in lines) else "")
