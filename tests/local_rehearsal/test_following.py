"""A rehearsal follows what is deployed: at once, without losing a request."""

import asyncio
import re
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from daemons import Daemon, get, until

from infra.local import report

OPEN, GUARDED = "talk.Open", "talk.Guarded"
UPDATE = """
import modal
function_id = modal.App.lookup("talk").info().functions["Open.*"]
modal.Function.from_id(function_id).autoscaler.update({settings})
"""


def scale(daemon: Daemon, settings: str) -> None:
    """Change the settings of a running autoscaler, as a client of the SDK does."""
    daemon.python(UPDATE.format(settings=settings))


def change(talk: Path, old: str, new: str) -> None:
    """Edit the module."""
    text = talk.read_text()
    assert old in text
    talk.write_text(text.replace(old, new))


def test_what_is_deployed_runs(daemon: Daemon, talk: Path) -> None:
    """Without demand nothing does; the first request is refused and brings a replica."""
    daemon.modal("deploy", str(talk))
    url = daemon.ready(OPEN, 0)
    assert get(url)[0] == 503
    daemon.ready(OPEN, 1)
    assert get(url)[:2] == (200, "one ")
    said = daemon.said()
    assert f"{OPEN}: v1 deployed at {url}: a module\n" in said
    assert f"{OPEN}: 0 -> 1 replicas: 1 request at once" in said
    assert re.search(rf"{OPEN}: replica ta-\w+ starts", said)
    assert re.search(rf"{OPEN}: replica ta-\w+ is ready after \d+\.\d s", said)
    assert daemon.service(GUARDED).wanted == 0


def test_a_server_asks_for_the_token(daemon: Daemon, talk: Path) -> None:
    """The one that `infra local env` prints; the older front door asks for none."""
    change(talk, 'us-east", ', 'us-east", min_containers=1, ')
    daemon.modal("deploy", str(talk))
    url = daemon.ready(GUARDED, 1)
    environ = daemon.environ()
    token, secret = environ["MODAL_PROXY_TOKEN_ID"], environ["MODAL_PROXY_TOKEN_SECRET"]
    assert get(url)[0] == 401
    assert get(url, {"Modal-Key": token, "Modal-Secret": "guessed"})[0] == 401
    assert get(url, {"Modal-Key": token, "Modal-Secret": secret})[:2] == (200, "one ")
    assert secret not in daemon.said()


def test_the_sdk_scales_at_once(daemon: Daemon, talk: Path) -> None:
    """`autoscaler.update` starts replicas and lets them go; a deployment ends what it said."""
    daemon.modal("deploy", str(talk))
    daemon.ready(OPEN, 0)
    scale(daemon, "min_containers=2, max_containers=3")
    url = daemon.ready(OPEN, 2)
    assert "min_containers 0 -> 2, max_containers None -> 3" in daemon.said()
    assert "0 -> 2 replicas: min_containers=2" in daemon.said()
    assert len({get(url)[2] for _ in range(4)}) == 2
    scale(daemon, "min_containers=1, scaledown_window=2")
    daemon.ready(OPEN, 1)
    change(talk, '"one"', '"two"')
    daemon.modal("deploy", str(talk))
    until(lambda: daemon.service(OPEN).min_containers == 0)


def test_no_request_is_lost_when_a_version_follows_another(daemon: Daemon, talk: Path) -> None:
    """Streams go on to their ends while every replica is exchanged; afterwards all is new."""
    change(talk, "@app.cls()", "@app.cls(min_containers=2)")
    daemon.modal("deploy", str(talk))
    url = daemon.ready(OPEN, 2)
    change(talk, '"one"', '"two"')
    answers: list[tuple[int, str]] = []

    async def ask_on(is_over: asyncio.Event) -> None:
        async with aiohttp.ClientSession() as session:
            while not is_over.is_set():
                async with session.get(f"{url}/stream") as response:
                    answers.append((response.status, await response.text()))

    async def scenario() -> None:
        is_over = asyncio.Event()
        asking = [asyncio.create_task(ask_on(is_over)) for _ in range(6)]
        await asyncio.to_thread(daemon.modal, "deploy", str(talk))
        await asyncio.to_thread(
            until, lambda: {get(url)[1] for _ in range(8)} == {"two "}, daemon.said
        )
        old = len(answers)
        await asyncio.to_thread(until, lambda: len(answers) > old + len(asking), daemon.said)
        is_over.set()
        await asyncio.gather(*asking)

    asyncio.run(scenario())
    assert set(answers) == {(200, f"{'one ' * 8}end "), (200, f"{'two ' * 8}end ")}
    assert daemon.ready(OPEN, 2, version=2) == url
    assert f"{OPEN}: v2 deployed" in daemon.said()


def test_a_new_version_takes_along_what_did_not_change(daemon: Daemon, talk: Path) -> None:
    """As on Modal, and as a plan says: the containers of all services of the App are replaced."""
    change(talk, "@app.cls()", "@app.cls(min_containers=1)")
    daemon.modal("deploy", str(talk))
    url = daemon.ready(OPEN, 1)
    before = get(url)[2]
    change(talk, 'us-east", ', 'us-east", min_containers=1, ')
    daemon.modal("deploy", str(talk))
    daemon.ready(GUARDED, 1, version=2)
    until(lambda: get(url)[2] != before)


def test_a_stopped_app_ends_and_may_come_back(daemon: Daemon, talk: Path) -> None:
    """Its replicas stop and its address is closed; deployed again, it has the same one."""
    change(talk, "@app.cls()", "@app.cls(min_containers=1)")
    daemon.modal("deploy", str(talk))
    url = daemon.ready(OPEN, 1)
    daemon.modal("app", "stop", "talk", "--yes")
    until(lambda: daemon.status().services == ())
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", urlsplit(url).port)) != 0
    assert f"{OPEN}: is not deployed any more" in daemon.said()
    assert re.search(rf"{OPEN}: replica ta-\w+ has stopped", daemon.said())
    assert "open leaves one" in daemon.modal("app", "logs", "talk")
    daemon.modal("deploy", str(talk))
    assert daemon.ready(OPEN, 1) == url


def test_the_folder_may_be_changed_by_another_process(
    daemon: Daemon, talk: Path, tmp_path: Path
) -> None:
    """A control plane of somebody else's over the same folder deploys, and it is noticed."""
    script = f"""
import os, pathlib, subprocess, sys
from infra.local import ControlPlane
with ControlPlane(pathlib.Path({str(daemon.root)!r})) as plane:
    command = [sys.executable, "-m", "modal", "deploy", {str(talk)!r}]
    subprocess.run(command, env={{**os.environ, **plane.environ()}}, check=True)
"""
    daemon.python(script)
    assert get(daemon.ready(OPEN, 0))[0] == 503


def test_what_does_not_start_is_shown(daemon: Daemon, talk: Path) -> None:
    """The reason and the last lines, after a pause the next try; a mended version starts."""
    change(talk, "@app.cls()", "@app.cls(min_containers=1)")
    change(talk, "self.engine = start()", 'sys.exit("out of luck")')
    daemon.modal("deploy", str(talk))
    until(lambda: "No other one starts for 2 s." in daemon.said(), daemon.said)
    assert re.search(r"replica ta-\w+ failed: .*Its last output:", daemon.said())
    assert "\n    open enters one\n" in daemon.said()
    status = daemon.status()
    failing = status.services[1]
    assert failing.failures >= 2
    assert re.fullmatch(r"replica ta-\w+ failed: .*out of luck.*", failing.last_failure)
    said = report.status_text(status)
    assert f"\n{OPEN} has failed {failing.failures} times in a row: replica ta-" in said
    assert f"See `infra local logs {OPEN}`." in said
    change(talk, 'sys.exit("out of luck")', "self.engine = start()")
    daemon.modal("deploy", str(talk))
    daemon.ready(OPEN, 1, version=2)
    assert "has failed" not in report.status_text(daemon.status())


def test_a_container_stopped_by_hand_is_replaced(daemon: Daemon, talk: Path) -> None:
    """`modal container stop` ends it; as one is wanted, another one comes."""
    change(talk, "@app.cls()", "@app.cls(min_containers=1)")
    daemon.modal("deploy", str(talk))
    url = daemon.ready(OPEN, 1)
    first = get(url)[2]
    assert first in daemon.modal("container", "list")
    daemon.modal("container", "stop", first, "--yes")
    until(lambda: f"replica {first} was stopped by hand" in daemon.said(), daemon.said)
    daemon.ready(OPEN, 1)
    assert get(url)[2] != first


def test_two_folders_do_not_see_each_other(
    start_daemon: Callable[[str], Daemon], talk: Path
) -> None:
    """The same App twice on one machine: other addresses, other tokens; one may end."""
    change(talk, "@app.cls()", "@app.cls(min_containers=1)")
    ours, theirs = start_daemon("ours"), start_daemon("theirs")
    ours.modal("deploy", str(talk))
    assert theirs.status().services == ()
    assert "talk" not in theirs.modal("app", "list")
    theirs.modal("deploy", str(talk))
    here, there = ours.ready(OPEN, 1), theirs.ready(OPEN, 1)
    assert here != there
    assert get(here)[2] != get(there)[2]
    secrets = {each.environ()["MODAL_PROXY_TOKEN_SECRET"] for each in (ours, theirs)}
    assert len(secrets) == 2
    ours.end()
    assert get(there)[:2] == (200, "one ")
