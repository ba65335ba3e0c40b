"""State across restarts, between processes, and after a kill."""

import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import modal
import pytest

from infra.errors import InfraError
from infra.local import ControlPlane, running

StartPython = Callable[..., "subprocess.Popen[str]"]

_CLAIM = """
import modal, sys
leases = modal.Dict.from_name("leases", create_if_missing=True)
print(sum(leases.put(f"lease-{n}", sys.argv[1], skip_if_exists=True) for n in range(100)))
"""

_COUNT_FOR_EVER = """
import itertools, modal
numbers = modal.Dict.from_name("numbers", create_if_missing=True)
for number in itertools.count():
    numbers[number] = number
    print(number, flush=True)
"""


def test_a_restart_keeps_everything(
    control_plane: ControlPlane, start_python: StartPython, modules: Path
) -> None:
    """Apps, Volumes, Secrets: another plane over the folder finds them, with the same ids."""
    modal.Secret.objects.create("hub-token", {"TOKEN": "x"})
    deploy = ("-m", "modal", "deploy", str(modules / "service.py"))
    assert start_python(*deploy, environ=control_plane.environ()).wait() == 0
    app_id = modal.App.lookup("service").app_id
    control_plane.stop()
    control_plane.start()
    again = start_python(*deploy, environ=control_plane.environ())
    assert "no changes detected" in again.communicate()[0]
    show = ("-m", "modal", "app", "info", "service", "--json")
    assert app_id in start_python(*show, environ=control_plane.environ()).communicate()[0]


def test_two_planes_share_a_folder(
    control_plane: ControlPlane, start_python: StartPython, tmp_path: Path
) -> None:
    """Of two clients of two planes that claim the same keys, exactly one gets each."""
    with ControlPlane(tmp_path / "local") as other:
        claims = [
            start_python("-c", _CLAIM, name, environ=plane.environ())
            for name, plane in (("a", control_plane), ("b", other))
        ]
        outputs = [claim.communicate() for claim in claims]
    assert [claim.returncode for claim in claims] == [0, 0], outputs
    assert sum(int(output) for output, _ in outputs) == 100
    holders = modal.Dict.from_name("leases")
    assert sorted(holders.keys()) == sorted(f"lease-{number}" for number in range(100))


def test_a_long_running_plane_is_found_and_forgotten(
    start_python: StartPython, tmp_path: Path
) -> None:
    """`running` knows the plane while it lives: not before, not twice, not after."""
    root = tmp_path / "rehearsal"
    assert running(root) is None
    serve = ("-m", "infra.local", "--root", str(root))
    plane = start_python(*serve, environ={})
    assert plane.stdout is not None
    line = plane.stdout.readline()
    environ = running(root)
    assert environ is not None
    assert environ["MODAL_SERVER_URL"] in line
    assert (root / "endpoint.json").stat().st_mode & 0o777 == 0o600
    second = start_python(*serve, environ={})
    assert "already serves" in second.communicate()[1]
    assert second.returncode == 1
    assert running(root) == environ
    plane.send_signal(signal.SIGTERM)
    assert plane.wait() == 0
    assert running(root) is None
    assert not (root / "endpoint.json").exists()


def test_a_killed_plane_loses_nothing_that_it_answered(
    start_python: StartPython, tmp_path: Path
) -> None:
    """After SIGKILL amid writes the database is sound and has every acknowledged one."""
    root = tmp_path / "rehearsal"
    plane = start_python("-m", "infra.local", "--root", str(root), environ={})
    assert plane.stdout is not None
    plane.stdout.readline()
    environ = running(root)
    assert environ is not None
    client = start_python("-c", _COUNT_FOR_EVER, environ=environ)
    assert client.stdout is not None
    acknowledged = [int(client.stdout.readline()) for _ in range(20)]
    plane.kill()
    plane.wait()
    # The file that announced it is still there; it must not be believed.
    assert (root / "endpoint.json").exists()
    assert running(root) is None
    client.kill()
    acknowledged += [int(line) for line in client.communicate()[0].splitlines()]
    with sqlite3.connect(root / "state.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    again = start_python("-m", "infra.local", "--root", str(root), environ={})
    assert again.stdout is not None
    again.stdout.readline()
    environ = running(root)
    assert environ is not None
    show = "import modal; print(*modal.Dict.from_name('numbers').keys())"
    kept = start_python("-c", show, environ=environ).communicate()[0]
    again.send_signal(signal.SIGTERM)
    assert again.wait() == 0
    assert set(acknowledged) <= {int(number) for number in kept.split()}


def test_many_planes_may_start_at_once(start_python: StartPython, tmp_path: Path) -> None:
    """The first use of a folder by several processes at the same instant makes one database."""
    script = (
        "import sys, pathlib; from infra.local import ControlPlane\n"
        "with ControlPlane(pathlib.Path(sys.argv[1])): pass"
    )
    root = str(tmp_path / "fresh")
    started = [start_python("-c", script, root, environ={}) for _ in range(8)]
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * 8, errors


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    """State that this version cannot read is left alone, and the message says what to do."""
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(InfraError, match="remove it and deploy again"):
        ControlPlane(tmp_path).start()
