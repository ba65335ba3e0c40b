"""One step of an image build, run inside the image."""

import shlex
import subprocess


def run_build_command(command: list[str]) -> None:
    """Run the command; a failure fails the build, or it would be cached as a layer."""
    print("+", shlex.join(command), flush=True)
    subprocess.run(command, check=True)
