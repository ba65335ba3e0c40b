"""Deployed modules run, side by side, as Modal's own runtime runs them."""

import asyncio
import io
import json
from pathlib import Path

import aiohttp
import modal
import modal.experimental
import pytest
from rehearsals import MODULES, Deploy, Rehearse, ask, cli, service, started

from infra.local.replica_host import ReplicaHost
from infra.local.replicas import deployed_services


def test_services_are_read_from_the_state(root: Path, deploy: Deploy) -> None:
    """A service carries what its front door needs to know, with either decorator."""
    assert deployed_services(root) == []
    deploy(MODULES / "front_doors.py")
    door, web = deployed_services(root)
    assert (door.class_name, web.class_name) == ("Door", "Web")
    assert (door.front_door, web.front_door) == ("server", "http_server")
    assert (door.app_name, door.environment_name, door.version) == ("front-doors", "main", 1)
    assert (door.port, web.port) == (8000, 8000)
    assert (door.target_concurrency, door.max_concurrency) == (1.5, 3)
    assert (web.target_concurrency, web.max_concurrency) == (10, None)
    assert (door.startup_timeout, web.startup_timeout) == (60, 300)
    assert (door.exit_grace_period, web.exit_grace_period) == (1, 1)
    assert (door.unauthenticated, web.unauthenticated) == (False, True)
    assert (door.routing_regions, web.routing_regions) == (("us-east",), ("us-west",))
    assert web.compute_regions == ("us-east",)
    server = modal.Server.from_name("front-doors", "Door").hydrate()
    assert door.function_id == server.object_id


def test_a_stopped_app_has_no_services(root: Path, deploy: Deploy) -> None:
    """What `modal app stop` ended is not deployed."""
    deploy(MODULES / "front_doors.py")
    modal.App.lookup("front-doors").stop()
    assert deployed_services(root) == []


def test_two_replicas_of_each_share_a_port(root: Path, deploy: Deploy, rehearse: Rehearse) -> None:
    """Four replicas listen on port 8000, each on its own; each sees its own processes only."""
    deploy(MODULES / "front_doors.py")

    async def body(host: ReplicaHost) -> None:
        assert host.isolation.is_complete
        services = deployed_services(root)
        replicas = await started(host, *services, *services)
        answers = await asyncio.gather(*(ask(replica) for replica in replicas))
        assert [answer["task"] for answer in answers] == [replica.id for replica in replicas]
        # The first process, Modal's runtime, the engine and a stray one.
        assert [answer["processes"] for answer in answers] == [4] * 4
        assert [replica.state for replica in replicas] == ["ready"] * 4
        web = service(root, "Web")
        containers = await asyncio.to_thread(
            modal.experimental.flash_get_containers, "front-doors", "Web"
        )
        of_web = {replica.id for replica in replicas if replica.service == web}
        assert {container.task_id for container in containers} == of_web
        function = modal.Function.from_id(web.function_id)
        assert (await function.get_current_stats.aio()).num_total_runners == 2
        await asyncio.gather(*(replica.stop(30) for replica in replicas))
        assert [replica.state for replica in replicas] == ["stopped"] * 4

    rehearse(body)


def test_the_module_gets_its_environment(
    root: Path, deploy: Deploy, rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image's variables, then the secrets'; and nothing of the daemon's own."""
    deploy(MODULES / "front_doors.py")
    monkeypatch.setenv("OF_THE_DAEMON", "secret")

    async def body(host: ReplicaHost) -> None:
        (replica,) = await started(host, service(root, "Web"))
        answer = await ask(replica)
        environment = answer["environment"]
        assert environment["GREETING"] == 'it\'s a "quoted" $HOME'
        assert environment["OVERRIDDEN"] == "by the secret"
        assert environment["KEY"] == "of iron"
        assert environment["MODAL_ENVIRONMENT"] == "main"
        assert environment["MODAL_REGION"] == "us-east"
        assert environment["HOME"] == "/root"
        assert answer["folder"] == "/srv/work"
        assert not {"OF_THE_DAEMON", "MODAL_TOKEN_SECRET", "MODAL_TOKEN_ID"} & environment.keys()

    rehearse(body)


def test_the_module_sees_the_files_that_were_deployed(
    root: Path, copied: Path, deploy: Deploy, rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs the source and files as uploaded; the checkout, changed since, is out of sight."""
    monkeypatch.chdir(copied)
    deploy(copied / "front_doors.py")
    (copied / "front_doors.py").write_text("raise SystemExit('the working copy was run')")
    (copied / "motd").write_text("changed")

    async def body(host: ReplicaHost) -> None:
        (replica,) = await started(host, service(root, "Web"))
        assert await ask(replica, "/read?/etc/motd-of-module") == "welcome\n"
        assert "class Web" in await ask(replica, "/read?/root/front_doors.py")
        assert await ask(replica, "/read?/etc/passwd") == Path("/etc/passwd").read_text()
        for hidden in (copied / "motd", root / "state.db", Path.home() / ".bashrc"):
            assert await ask(replica, f"/read?{hidden}") is None

    rehearse(body)


def test_the_machine_is_read_only(root: Path, deploy: Deploy, rehearse: Rehearse) -> None:
    """A module may write to its own folders, and to none of this machine's."""
    deploy(MODULES / "front_doors.py")

    async def body(host: ReplicaHost) -> None:
        (replica,) = await started(host, service(root, "Web"))
        for folder in ("/usr", "/etc/ssl", "/opt", "/archive"):
            assert await ask(replica, f"/write?{folder}") is False, folder
        for folder in ("/root", "/tmp", "/srv/work", "/notes", "/var/tmp", "/etc"):
            assert await ask(replica, f"/write?{folder}") is True, folder

    rehearse(body)
    for folder in ("/root", "/tmp", "/srv", "/var/tmp", "/etc"):
        assert not (Path(folder) / "probe").exists()


def test_a_volume_is_a_folder(root: Path, deploy: Deploy, rehearse: Rehearse) -> None:
    """What was put into a Volume is there, what the module writes and removes is committed."""
    deploy(MODULES / "front_doors.py")
    notes = modal.Volume.from_name("notes")

    def upload(name: str, text: str) -> None:
        with notes.batch_upload(force=True) as batch:
            source = root.parent / "upload"
            source.write_text(text)
            batch.put_file(source, name)

    upload("/letters/first", "dear")
    upload("/doomed", "soon gone")

    async def body(host: ReplicaHost) -> None:
        web, door = await started(host, service(root, "Web"), service(root, "Door"))
        assert await ask(web, "/read?/notes/letters/first") == "dear"
        await ask(web, "/remove?/notes/doomed")
        await ask(web, "/write?/notes/letters")
        assert await ask(door, "/read?/notes/letters/probe") == "x"
        await web.stop(30)
        await door.stop(30)
        names = {entry.path for entry in await notes.listdir.aio("/", recursive=True)}
        left = {f"left-{web.id}", f"left-{door.id}"}
        assert names == {"letters", "letters/first", "letters/probe", *left}
        content = [chunk async for chunk in notes.read_file.aio("letters/probe")]
        assert b"".join(content) == b"x"
        await notes.remove_file.aio("letters/probe")
        await asyncio.to_thread(upload, "/letters/first", "dearest")
        (again,) = await started(host, service(root, "Web"))
        assert await ask(again, "/read?/notes/letters/probe") is None
        assert await ask(again, "/read?/notes/letters/first") == "dearest"

    rehearse(body)


def test_an_older_version_is_still_that_version(
    root: Path, copied: Path, deploy: Deploy, rehearse: Rehearse
) -> None:
    """A replica of version 1 runs version 1, also when it starts after version 2 was deployed."""
    deploy(copied / "front_doors.py")
    before = service(root, "Web")
    text = (copied / "front_doors.py").read_text()
    (copied / "front_doors.py").write_text(text.replace("entering web", "entering anew"))
    deploy(copied / "front_doors.py")
    after = service(root, "Web")
    assert (before.version, after.version) == (1, 2)
    assert before.function_id == after.function_id
    assert before.definition_id != after.definition_id

    async def body(host: ReplicaHost) -> None:
        replicas = await started(host, before, after)
        assert [replica.last_lines[0] for replica in replicas] == ["entering web", "entering anew"]

    rehearse(body)


def test_chunks_pass_at_once_in_both_directions(
    root: Path, deploy: Deploy, rehearse: Rehearse
) -> None:
    """The socket holds nothing back: the second chunk is only sent once the first has arrived."""
    deploy(MODULES / "front_doors.py")

    async def body(host: ReplicaHost) -> None:
        (replica,) = await started(host, service(root, "Door"))
        assert await ask(replica, "/", data=io.BytesIO(bytes(20_000_000))) == 20_000_000
        connector = aiohttp.UnixConnector(path=str(replica.socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://replica/chunks") as response,
        ):
            assert await response.content.readany() == b"first"
            assert await ask(replica, "/go") == "gone"
            assert await response.content.readany() == b"second"

    rehearse(body)


def test_the_commands_know_the_containers(root: Path, deploy: Deploy, rehearse: Rehearse) -> None:
    """`modal container list`, `app logs` and `container logs` show replicas and what they print."""
    deploy(MODULES / "front_doors.py")

    async def body(host: ReplicaHost) -> None:
        web, door = await started(host, service(root, "Web"), service(root, "Door"))
        listed = json.loads(await cli("container", "list", "--json"))
        assert {row["container_id"] for row in listed} == {web.id, door.id}
        assert {row["app_name"] for row in listed} == {"front-doors"}
        await web.stop(30)
        listed = json.loads(await cli("container", "list", "--json"))
        assert [row["container_id"] for row in listed] == [door.id]
        everything = await cli("app", "logs", "front-doors")
        assert everything.index("entering web") < everything.index("leaving web")
        assert "entering door" in everything
        only_errors = await cli("app", "logs", "front-doors", "--source", "stderr")
        assert "a warning" in only_errors and "entering" not in only_errors
        found = await cli("app", "logs", "front-doors", "--search", "leaving")
        assert found.splitlines() == ["leaving web"]
        since = await cli("app", "logs", "front-doors", "--since", "1h")
        assert "entering web" in since
        of_container = await cli("container", "logs", web.id)
        assert "entering web" in of_container and "entering door" not in of_container
        following = asyncio.create_task(cli("app", "logs", "front-doors", "--follow"))
        await door.stop(30)
        assert "leaving door" in await following

    rehearse(body)


def test_a_container_can_be_stopped_by_hand(root: Path, deploy: Deploy, rehearse: Rehearse) -> None:
    """`modal container stop` ends a replica as its owner would: exit hooks run."""
    deploy(MODULES / "front_doors.py")

    async def body(host: ReplicaHost) -> None:
        (replica,) = await started(host, service(root, "Door"))
        await cli("container", "stop", replica.id, "--yes")
        await replica.wait_ended()
        assert replica.state == "stopped"
        assert "leaving door" in replica.last_lines

    rehearse(body)
