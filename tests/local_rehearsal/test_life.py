"""Daemons end in every way, and the next one goes on where they were."""

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from daemons import Daemon, descendants, get, networks, remains, until

from infra.errors import InfraError
from infra.local import control, detached, ports
from infra.local.endpoint import Endpoint, serving
from infra.local.rehearsal import Rehearsal
from infra.local.status import Status
from infra.manifest import FINGERPRINT_TAG, STACK_TAG
from infra.records import STATE_VOLUME

OPEN, GUARDED = "talk.Open", "talk.Guarded"


def test_a_restart_keeps_addresses(daemon: Daemon, talk: Path) -> None:
    """What was deployed comes back by itself, under the same URLs and behind the same token."""
    talk.write_text(talk.read_text().replace("@app.cls()", "@app.cls(min_containers=2)"))
    daemon.modal("deploy", str(talk))
    daemon.ready(OPEN, 2)
    before, token = daemon.status(), daemon.environ()["MODAL_PROXY_TOKEN_SECRET"]
    assert daemon.end() == 0
    assert remains(daemon.root) == []
    assert "Stopping 2 services with 2 ready replicas" in daemon.said()
    daemon.start()
    assert get(daemon.ready(OPEN, 2))[:2] == (200, "one ")
    urls = {each.name: each.url for each in before.services}
    assert {each.name: each.url for each in daemon.status().services} == urls
    assert daemon.environ()["MODAL_PROXY_TOKEN_SECRET"] == token
    # What the SDK shows is where it answers.
    assert urls[GUARDED] in daemon.modal("server", "info", "talk/Guarded")


def test_a_port_that_was_taken_is_given_up(daemon: Daemon, talk: Path) -> None:
    """Another one takes its place, in what the SDK shows, too; a line says so."""
    daemon.modal("deploy", str(talk))
    url = daemon.ready(GUARDED, 0)
    daemon.end()
    with socket.create_server(("127.0.0.1", urlsplit(url).port or 0)):
        daemon.start()
        other = daemon.service(GUARDED).url
        assert other != url
        taken = f"{GUARDED}: port {urlsplit(url).port} is taken by another program: now at {other}"
        assert taken in daemon.said()
        assert other in daemon.modal("server", "info", "talk/Guarded")
        assert get(other)[0] == 401


def test_nothing_outlives_a_killed_daemon(daemon: Daemon, talk: Path) -> None:
    """Every process ends with it, in whatever session; the next one cleans up, and says so."""
    talk.write_text(talk.read_text().replace("@app.cls()", "@app.cls(min_containers=2)"))
    daemon.modal("deploy", str(talk))
    url = daemon.ready(OPEN, 2)
    replicas = {get(url)[2] for _ in range(4)}
    processes = descendants(daemon.status().pid)
    isolated = set(processes.values()) - set(descendants(1).values())
    # Of each replica: what makes its namespaces, its first process, Modal's runtime, the engine.
    assert len(processes) == 8
    daemon.end(signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))
    assert not isolated & networks()
    daemon.start()
    told = re.search(r"The last daemon was killed; removed what was left of (.*)\.", daemon.said())
    assert told and set(told[1].split(", ")) == replicas
    assert daemon.ready(OPEN, 2) == url
    assert not replicas & {get(url)[2] for _ in range(4)}
    assert "open enters one" in daemon.modal("app", "logs", "talk")
    daemon.end()
    daemon.start()
    assert "was killed" not in daemon.said()


def test_a_removed_folder_leaves_nothing_either(daemon: Daemon, talk: Path) -> None:
    """Sockets of a killed daemon lie elsewhere: they are found without the state, too."""
    talk.write_text(talk.read_text().replace("@app.cls()", "@app.cls(min_containers=1)"))
    daemon.modal("deploy", str(talk))
    daemon.ready(OPEN, 1)
    daemon.end(signal.SIGKILL)
    shutil.rmtree(daemon.root)
    daemon.start()
    assert daemon.status().services == ()


def test_a_second_interrupt_does_not_wait(daemon: Daemon, talk: Path) -> None:
    """The first lets requests finish; the second ends it at once, and replicas with it."""
    text = talk.read_text().replace("@app.cls()", "@app.cls(min_containers=1)")
    talk.write_text(text.replace("* 8", "* 10_000").replace("period=5", "period=25"))
    daemon.modal("deploy", str(talk))
    url = urlsplit(daemon.ready(OPEN, 1))
    pid = daemon.status().pid
    processes = descendants(pid)
    with socket.create_connection((str(url.hostname), int(url.port or 0))) as client:
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: rehearsal\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        daemon.interrupt()
        until(lambda: "1 request may finish" in daemon.said(), daemon.said)
        assert client.recv(100)
        assert daemon.end(signal.SIGINT) == -signal.SIGINT
        while client.recv(4096):
            pass
    until(lambda: not any(Path(f"/proc/{each}").exists() for each in processes))
    daemon.start()
    daemon.ready(OPEN, 1)


def test_services_do_not_need_a_reader(tmp_path: Path, environ: dict[str, str], talk: Path) -> None:
    """Where what it prints goes nowhere, as with `infra local up | head`, replicas come and go."""
    talk.write_text(talk.read_text().replace("@app.cls()", "@app.cls(min_containers=1)"))
    root = tmp_path / "deaf"
    command = [sys.executable, "-m", "infra.local", "--root", str(root)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            process.stdout.close()
            endpoint = serving(root)
            assert endpoint
            deploy = [sys.executable, "-m", "modal", "deploy", str(talk)]
            subprocess.run(deploy, env={**environ, **endpoint.environ}, check=True)
            until(lambda: [each.ready for each in control.status(endpoint).services] == [0, 1])
        finally:
            process.terminate()
    assert remains(root) == []


def test_a_service_without_a_port_does_not_stop_the_others(
    daemon: Daemon, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told of, and they are served."""
    daemon.modal("deploy", str(talk))
    port = urlsplit(daemon.ready(GUARDED, 0)).port or 0
    daemon.end()
    told: list[str] = []

    async def served() -> list[str]:
        async with Rehearsal(daemon.root, lambda name, text: told.append(f"{name}: {text}")) as all:
            return [each.name for each in all.status("").services]

    monkeypatch.setattr(ports, "_PORTS", range(port, port + 1))
    with socket.create_server(("127.0.0.1", port)):
        assert asyncio.run(served()) == [OPEN]
    assert len(told) == 1
    assert told[0].startswith(f"{GUARDED}: it is not served: no port from {port} to {port} ")


def test_tags_of_somebody_elses_do_not_stop_a_daemon(daemon: Daemon, talk: Path) -> None:
    """Any client may set them; what leads to no record says nothing of the model."""
    daemon.modal("volume", "create", STATE_VOLUME)
    daemon.modal("deploy", str(talk))
    tags = {STACK_TAG: "..", FINGERPRINT_TAG: "f"}
    daemon.python(f"import modal; modal.App.lookup('talk').set_tags({tags!r})")
    assert [each.model for each in daemon.status().services] == ["", ""]
    daemon.end()
    daemon.start()
    assert [each.model for each in daemon.status().services] == ["", ""]


def test_a_daemon_that_cannot_tell_can_be_stopped(tmp_path: Path) -> None:
    """`infra local down` needs no status; whoever asks for one learns what to do."""

    def status() -> Status:
        raise LookupError("no such service")

    async def stopped() -> None:
        stopping = asyncio.Event()
        path = tmp_path / "control"
        endpoint = Endpoint(environ={}, control=str(path), pid=1)
        async with control.listening(path, status, stopping.set):
            with pytest.raises(InfraError, match="run `infra local down`"):
                await asyncio.to_thread(control.status, endpoint)
            assert not stopping.is_set()
            assert await asyncio.to_thread(control.stop, endpoint) is None
            await stopping.wait()

    asyncio.run(stopped())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"services": 1}', '{"services": [], "url": ""}'])
def test_what_is_no_status(text: str) -> None:
    """The answer of another infra's daemon is one error, whatever it has in it."""
    with pytest.raises(ValueError, match=r"status|JSON|Expecting"):
        Status.from_json(text)


def test_a_daemon_that_ends_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says so, and what to do."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InfraError, match=r"without a word, with code 1; .* without --detach"):
        detached.start(tmp_path)


def test_a_folder_that_cannot_be_used_is_an_error(daemon: Daemon) -> None:
    """State of another version ends it with a line that says what to do."""
    daemon.end()
    for text in ("[]", ""):
        (daemon.root / "proxy_token.json").write_text(text)
        assert "proxy_token.json: it holds no token; one is needed; remove it" in daemon.refusal()
    (daemon.root / "proxy_token.json").unlink()
    for file in daemon.root.glob("state.db*"):
        file.unlink()
    (daemon.root / "state.db").write_text("no database at all, but long enough to be read as one")
    assert "state.db: it can't be used (file is not a database); " in daemon.refusal()
    (daemon.root / "state.db").unlink()
    daemon.start()
