"""Replicas end with the process that started them, and need no rights that it does not have."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rehearsals import MODULES, Deploy, Rehearse, survivors, until

from infra.local.replica_host import ReplicaHost

DAEMON = Path(__file__).parent / "daemon.py"

# Ways to be another kind of user, as which a daemon is then started.
ORDINARY = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
CONFINED = (
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 > /proc/sys/user/max_net_namespaces && exec "$0" "$@"',
)

StartDaemon = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_daemon(root: Path) -> Iterator[StartDaemon]:
    """Start a process with replicas of these classes; what still runs at the end is killed."""
    daemons: list[subprocess.Popen[str]] = []

    def start(*class_names: str, as_user: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        if as_user and (not shutil.which("unshare") or subprocess.call([*as_user, "true"]) != 0):
            pytest.skip("this machine lets nobody become another user")
        daemon = subprocess.Popen(
            [*as_user, sys.executable, DAEMON, root, *class_names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        daemons.append(daemon)
        return daemon

    yield start
    for daemon in daemons:
        daemon.kill()
        daemon.communicate()


def line(daemon: "subprocess.Popen[str]") -> str:
    """The next one that it prints."""
    assert daemon.stdout is not None
    return daemon.stdout.readline().rstrip()


def ask(path: str) -> str:
    """What an engine answers, over a replica's socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: replica\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            return answer.read().decode()


def test_nothing_outlives_a_killed_daemon(
    root: Path, deploy: Deploy, start_daemon: StartDaemon, rehearse: Rehearse
) -> None:
    """SIGKILL leaves it no time to clean up: its processes end, the next one removes the files."""
    deploy(MODULES / "front_doors.py")
    daemon = start_daemon("Web", "Door")
    line(daemon)
    web, door = line(daemon).split(), line(daemon).split()
    assert len(survivors(root)) == 6
    daemon.kill()
    daemon.wait()
    until(lambda: survivors(root) == [])
    assert Path(web[1]).exists()

    async def body(host: ReplicaHost) -> None:
        assert set(host.left_over) == {web[0], door[0]}
        assert not Path(web[1]).exists()

    rehearse(body)


def test_a_living_daemons_replicas_are_left_alone(
    root: Path, deploy: Deploy, start_daemon: StartDaemon, rehearse: Rehearse
) -> None:
    """Another process with replicas of the same state cleans up nothing that is in use."""
    deploy(MODULES / "front_doors.py")
    daemon = start_daemon("Web")
    line(daemon)
    _, path = line(daemon).split()

    async def body(host: ReplicaHost) -> None:
        assert host.left_over == ()

    rehearse(body)
    assert ask(path)
    daemon.communicate("\n")


def test_an_ordinary_user_gets_the_same(
    root: Path, deploy: Deploy, start_daemon: StartDaemon
) -> None:
    """Without a right of its own a daemon isolates its replicas in user namespaces."""
    deploy(MODULES / "front_doors.py")
    daemon = start_daemon("Web", "Door", as_user=ORDINARY)
    assert line(daemon) == "isolated"
    for _ in range(2):
        _, path = line(daemon).split()
        assert '"processes": 4' in ask(path)
        assert '"HOME": "/root"' in ask(path)
    daemon.communicate("\n")
    assert daemon.returncode == 0
    assert survivors(root) == []


SOLO = """
import subprocess, sys
import modal

app = modal.App("solo")
STRAY = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"


@app.server(port={port}, routing_region="us-east", env={{"GREETING": "hello"}})
class Solo:
    @modal.enter()
    def enter(self):
        subprocess.Popen([sys.executable, "-c", STRAY], start_new_session=True)
        subprocess.Popen([sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"])

    @modal.exit()
    def exit(self):
        print("leaving")
"""


@pytest.mark.parametrize("end", ["asked", "killed"])
def test_without_namespaces_there_is_one_replica(
    root: Path, deploy: Deploy, start_daemon: StartDaemon, rehearse: Rehearse, end: str
) -> None:
    """Where they are forbidden a notice says so, the host's port is used, and the rest holds."""
    with socket.create_server(("127.0.0.1", 0)) as any_port:
        port = any_port.getsockname()[1]
    module = root.parent / "solo.py"
    module.write_text(SOLO.format(port=port))
    deploy(module)
    daemon = start_daemon("Solo", "Solo", as_user=CONFINED)
    assert "permits no network namespaces" in line(daemon)
    assert "solo.py" in ask(line(daemon).split()[1])
    assert f"port {port} of this machine is taken" in line(daemon)
    assert len(survivors(root)) == 3
    if end == "asked":
        daemon.communicate("\n")
        return
    daemon.kill()
    daemon.wait()
    until(lambda: survivors(root) == [])

    async def body(host: ReplicaHost) -> None:
        assert len(host.left_over) == 1

    rehearse(body)
