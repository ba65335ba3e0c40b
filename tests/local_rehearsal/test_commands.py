"""`infra local` as a user types it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemons import MODULES, children, get, remains, until

from infra.local import logs, offline, printed
from infra.local.detached import LARGE
from infra.local.endpoint import running
from infra.local.logs import Line
from infra.local.services import deployed_services

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def local(folder: Path, environ: dict[str, str]) -> Iterator[Run]:
    """Runs `infra local`; at the end nothing runs any more."""

    def run(*arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", "local", *arguments],
            cwd=folder,
            env=environ,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    yield run
    assert run("down").returncode == 0
    root = folder / ".infra" / "local"
    assert remains(root) == []


def deploy(folder: Path, environ: dict[str, str], module: Path) -> None:
    """As `modal deploy` does in a shell with the variables of `infra local env`."""
    ours = running(folder / ".infra" / "local")
    assert ours is not None
    command = [sys.executable, "-m", "modal", "deploy", str(module)]
    subprocess.run(command, env={**environ, **ours}, check=True, capture_output=True)


def test_up_and_down(local: Run, folder: Path, environ: dict[str, str]) -> None:
    """In the background it serves until it is told to stop; then it comes back as it was."""
    assert local("down").stdout == "Nothing runs in .infra/local; `infra local up` starts it.\n"
    assert local("status").stdout == local("down").stdout
    assert json.loads(local("status", "--json").stdout) == {"running": False}
    up = local("up", "--detach")
    assert up.returncode == 0, up.stderr
    assert "Nothing is deployed yet" in up.stdout
    again = local("up", "--detach")
    assert again.returncode == 0
    assert again.stdout.splitlines()[0] == up.stdout.splitlines()[0]
    pid = json.loads(local("status", "--json").stdout)["pid"]
    assert again.stdout.endswith(f"\nIt runs already, as process {pid}.\n")
    elsewhere = local("up", "--detach", "--port", "1")
    assert elsewhere.returncode == 1
    assert "another daemon already serves" in elsewhere.stderr
    nobody = local("logs", "nobody")
    assert nobody.returncode == 64
    assert "nothing was deployed here, so there is no service 'nobody'; " in nobody.stderr
    deploy(folder, environ, MODULES / "talk.py")
    status = json.loads(local("status", "--json").stdout)
    assert status["running"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", status["since"])
    service = status["services"][1]
    assert (service["name"], service["version"]) == ("talk.Open", 1)
    url = service["url"]
    assert get(url)[0] == 503
    until(lambda: get(url)[0] == 200)
    assert status["speed"] == "off"
    table = local("status").stdout.splitlines()
    assert table[1].endswith(" (INFRA_SIMULATED_SPEED=off)")
    assert f"pid {status['pid']}, since " in table[0]
    assert table[3].split() == [
        *("APP", "SERVICE", "VERSION", "READY/WANTED"),
        "IN",
        "FLIGHT",
        "URL",
    ]
    assert table[5].split() == ["talk", "Open", "v1", "1/1", "0", url]
    down = local("down").stdout
    assert down == "Stopping 2 services with 1 ready replica\nStopped.\n"
    until(lambda: not Path(f"/proc/{status['pid']}").exists())
    log = (folder / ".infra" / "local" / "rehearsal.log").read_text()
    assert "talk.Open: 0 -> 1 replicas: 1 request at once" in log
    up = local("up", "--detach")
    assert re.search(rf"^talk +Open +a module +0 or more +{url}$", up.stdout, re.M)


def test_giving_up_ends_the_daemon(folder: Path, environ: dict[str, str]) -> None:
    """Ctrl-C while one waits for it to serve leaves none behind."""
    command = [sys.executable, "-m", "infra.cli", "local", "up", "--detach"]
    with subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE) as up:
        until(lambda: bool(children().get(up.pid)))
        (daemon,) = children()[up.pid]
        up.send_signal(signal.SIGINT)
        assert up.communicate()[1] == b"Interrupted.\n"
    assert up.returncode == 130
    assert not Path(f"/proc/{daemon}").exists()
    assert running(folder / ".infra" / "local") is None


@pytest.mark.parametrize("speed", ["abc", "-5", "nan"])
def test_a_speed_that_is_none(folder: Path, environ: dict[str, str], speed: str) -> None:
    """It is refused before anything is started, not by each replica."""
    command = [sys.executable, "-m", "infra.cli", "local", "up", "--detach"]
    up = subprocess.run(
        command,
        cwd=folder,
        env={**environ, "INFRA_SIMULATED_SPEED": speed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert up.returncode == 64
    assert f"INFRA_SIMULATED_SPEED: it is {speed!r}; a factor above 0, " in up.stderr
    assert not (folder / ".infra").exists()


def test_logs(local: Run, folder: Path, environ: dict[str, str]) -> None:
    """Of all or of one service, with the replica's id; also when nothing runs; -f goes on."""
    assert local("logs").stdout == local("down").stdout
    local("up", "--detach")
    following = subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "local", "logs", "-f", "-n", "0"],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deploy(folder, environ, MODULES / "talk.py")
    url = json.loads(local("status", "--json").stdout)["services"][1]["url"]
    until(lambda: get(url)[0] == 200)
    replica = get(url)[2]
    assert f"talk.Open {replica} open enters one\n" in local("logs").stdout
    local("down")
    assert following.stdout
    lines = iter(following.stdout.readline, "")
    assert f"talk.Open {replica} open enters one\n" in lines  # deployed when it followed already
    assert f"talk.Open {replica} open leaves one\n" in lines
    following.send_signal(signal.SIGINT)
    assert following.communicate()[1] == "Interrupted.\n"
    for name in ("Open", "open", "talk", "talk.Open"):
        said = local("logs", name).stdout.splitlines()
        assert f"{replica} open enters one" in said
    assert len(local("logs", "-n", "1").stdout.splitlines()) == 1
    assert local("logs", "Guarded").stdout == ""
    unknown = local("logs", "Nobody")
    assert unknown.returncode == 64
    assert "no service 'Nobody'; talk.Guarded, talk.Open can be named" in unknown.stderr


def test_logs_from_here_on(
    local: Run, folder: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-n 0 -f` prints nothing of what there was; nothing printed does anything to a terminal."""
    local("up", "--detach")
    deploy(folder, environ, MODULES / "talk.py")
    root = folder / ".infra" / "local"
    opened = next(each for each in deployed_services(root) if each.class_name == "Open")

    def say(text: str) -> None:
        line = Line(
            app_id=opened.app_id,
            function_id=opened.function_id,
            task_id="ta-1",
            text=text,
            at_ns=1,
            source=1,
        )
        with offline.writing(root) as call:
            logs.append(call, [line])

    say("before\n")
    monkeypatch.setattr(printed.time, "sleep", lambda _: say("a\x1b[2Jfter\n"))
    assert next(printed.printed(root, "Open", last=0, follow=True)) == "ta-1 a[2Jfter"


def test_wrong_words(local: Run) -> None:
    """What can't be meant is an error of usage, before anything is done."""
    for words, why in (
        (("up", "--port", "99999"), "99999 is not in the range"),
        (("secret", "set", "x", "K=V", "-e", "no"), "no: there is no such environment here; main"),
    ):
        refused = local(*words)
        assert refused.returncode == 64
        assert why in refused.stderr


def test_names_of_keys_and_secrets(local: Run) -> None:
    """What Modal or an environment can't have is refused at once, before a value is asked for."""
    for key in ("1x", "a b", "a-b", "\u00e9", "", "A\n", " A"):
        refused = local("secret", "set", "mine", "OTHER", f"{key}=hush")
        assert refused.returncode == 64
        assert refused.stderr == (
            f"Error: mine: {key!r} is no name of an environment variable; letters, digits and _, "
            "no digit first, are allowed; write MY_KEY=VALUE\n"
        )
    for name in ("a b", "", "x" * 64):
        first, *keys = local("secret", "set", name, "K=V", "1=2", "=3").stderr.splitlines()
        assert first.startswith(f"Error: {name!r}: it is no name of a Secret; a name of up to 63 ")
        assert len(keys) == 2
    assert local("secret", "set", "mine", "B=1").stdout.startswith("Secret mine has B; ")


def test_a_large_log_is_set_aside(local: Run, folder: Path) -> None:
    """A start begins a large log anew and keeps that one; one that a daemon writes to stays."""
    log = folder / ".infra" / "local" / "rehearsal.log"
    log.parent.mkdir(parents=True)
    log.write_text("earlier\n")
    os.truncate(log, LARGE + 1)
    assert local("up", "--detach").returncode == 0
    assert log.with_name("rehearsal.log.1").stat().st_size == LARGE + 1
    assert "earlier" not in log.read_text()
    log.with_name("rehearsal.log.1").unlink()
    os.truncate(log, LARGE + 1)
    assert local("up", "--detach", "--port", "1").returncode == 1
    assert log.stat().st_size > LARGE
    assert not log.with_name("rehearsal.log.1").exists()


PRINTS = """
import os, sys, modal
app = modal.App("prints")

@app.server(port=8000, routing_region="us-east", secrets=[modal.Secret.from_name("mine")],
            min_containers=1)
class Prints:
    @modal.enter()
    def enter(self):
        print(sorted(name for name in os.environ if name.startswith("MY_")), os.environ["MY_A"])
"""


def test_secrets(local: Run, folder: Path, environ: dict[str, str]) -> None:
    """Values reach the replicas and nothing else; those of keys alone come from standard input."""
    assert local("secret", "set", "mine", "MY_A=1").returncode == 0
    said = local("secret", "set", "mine", "MY_B", "MY_C=x=y", "MY_A", given="hush\n2\n")
    expected = "Secret mine has MY_A, MY_B, MY_C; replicas get them when they start.\n"
    assert said.stdout == expected
    assert len(list((folder / ".infra" / "local" / "secrets").iterdir())) == 1
    local("up", "--detach")
    (folder / "prints.py").write_text(PRINTS)
    deploy(folder, environ, folder / "prints.py")
    until(lambda: "['MY_A', 'MY_B', 'MY_C'] 2" in local("logs").stdout)
    refused = local("secret", "set", "mine", "K")
    assert refused.returncode == 64
    assert "no line for it" in refused.stderr
    local("down")
    log = folder / ".infra" / "local" / "rehearsal.log"
    assert "hush" not in log.read_text()


def test_env(local: Run, folder: Path, environ: dict[str, str]) -> None:
    """A shell that evaluates it has all that `modal` and a caller of a server need."""
    assert local("env").returncode == 1
    local("up", "--detach")
    deploy(folder, environ, MODULES / "talk.py")
    url = json.loads(local("status", "--json").stdout)["services"][0]["url"]
    script = (
        f'eval "$({sys.executable} -m infra.cli local env)" && {sys.executable} -m modal app list '
        f'&& {sys.executable} -c \'import os; print(os.environ["MODAL_PROXY_TOKEN_ID"], '
        f'os.environ["MODAL_PROXY_TOKEN_SECRET"])\''
    )
    said = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, check=True
    ).stdout
    assert "talk" in said
    key, secret = said.split()[-2:]
    assert get(url)[0] == 401
    assert get(url, {"Modal-Key": key, "Modal-Secret": secret})[0] == 503
    root = folder / ".infra" / "local"
    for name in ("endpoint.json", "proxy_token.json"):
        assert (root / name).stat().st_mode & 0o777 == 0o600
    assert root.stat().st_mode & 0o777 == 0o700
    assert root.stat().st_uid == os.getuid()
