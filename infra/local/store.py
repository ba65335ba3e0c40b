"""What the control plane remembers, in one SQLite file."""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.errors import InfraError
from infra.local.ids import new_id

SCHEMA_VERSION = 3
DEFAULT_ENVIRONMENT = "main"
IMAGE_BUILDER_VERSION = "2026.10"

# A live App's name is unique by index, so two deployments that race for a name cannot both win.
_SCHEMA = """
CREATE TABLE requests (sequence INTEGER PRIMARY KEY, method TEXT NOT NULL, body BLOB NOT NULL);

CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    web_suffix TEXT NOT NULL,
    image_builder_version TEXT NOT NULL,
    created_at REAL NOT NULL,
    is_default INTEGER NOT NULL
);

CREATE TABLE apps (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments ON DELETE CASCADE,
    name TEXT NOT NULL,
    state INTEGER NOT NULL,
    created_at REAL NOT NULL,
    created_by TEXT NOT NULL,
    heartbeat_at REAL NOT NULL,
    stopped_at REAL NOT NULL DEFAULT 0,
    stopped_by TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL DEFAULT '{}',
    layout TEXT NOT NULL DEFAULT '{"functions": {}, "classes": {}}'
);
CREATE UNIQUE INDEX live_apps ON apps (environment_id, name) WHERE state = 3;
CREATE INDEX apps_by_name ON apps (environment_id, name, stopped_at);

CREATE TABLE deployments (
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    version INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    source_version INTEGER NOT NULL,
    deployed_at REAL NOT NULL,
    deployed_by TEXT NOT NULL,
    client_version TEXT NOT NULL,
    tag TEXT NOT NULL,
    commit_info BLOB NOT NULL,
    tags TEXT NOT NULL,
    layout TEXT NOT NULL,
    PRIMARY KEY (app_id, version)
);

CREATE TABLE functions (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    name TEXT NOT NULL,
    is_builder INTEGER NOT NULL,
    overrides BLOB,
    overridden_at REAL NOT NULL DEFAULT 0,
    overridden_by TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX functions_by_name ON functions (app_id, name) WHERE NOT is_builder;

CREATE TABLE definitions (
    id TEXT PRIMARY KEY,
    function_id TEXT NOT NULL REFERENCES functions ON DELETE CASCADE,
    request BLOB NOT NULL
);
CREATE INDEX definitions_by_function ON definitions (function_id);

CREATE TABLE classes (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE
);

CREATE TABLE images (id TEXT PRIMARY KEY, request BLOB NOT NULL, built_at REAL NOT NULL);
CREATE TABLE mounts (id TEXT PRIMARY KEY, checksum TEXT NOT NULL, files BLOB NOT NULL);

CREATE TABLE objects (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    environment_id TEXT NOT NULL REFERENCES environments ON DELETE CASCADE,
    name TEXT,
    app_id TEXT REFERENCES apps ON DELETE CASCADE,
    created_at REAL NOT NULL,
    created_by TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE UNIQUE INDEX objects_by_name ON objects (kind, environment_id, name)
    WHERE name IS NOT NULL;
CREATE INDEX objects_by_app ON objects (app_id) WHERE app_id IS NOT NULL;

CREATE TABLE volume_entries (
    volume_id TEXT NOT NULL REFERENCES objects ON DELETE CASCADE,
    path TEXT NOT NULL,
    parent TEXT NOT NULL,
    is_directory INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    segments TEXT NOT NULL,
    PRIMARY KEY (volume_id, path)
) WITHOUT ROWID;
CREATE INDEX volume_entries_by_parent ON volume_entries (volume_id, parent);

CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    function_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    enqueued_at REAL NOT NULL,
    started_at REAL NOT NULL DEFAULT 0,
    finished_at REAL NOT NULL DEFAULT 0,
    host TEXT NOT NULL DEFAULT '',
    port INTEGER NOT NULL DEFAULT 0,
    is_stop_asked INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX tasks_by_app ON tasks (app_id);

CREATE TABLE log_lines (
    sequence INTEGER PRIMARY KEY,
    app_id TEXT NOT NULL,
    function_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    source INTEGER NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX log_lines_by_app ON log_lines (app_id, at_ns);

CREATE TABLE ports (
    environment_id TEXT NOT NULL REFERENCES environments ON DELETE CASCADE,
    app_name TEXT NOT NULL,
    class_name TEXT NOT NULL,
    regions TEXT NOT NULL,
    port INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (environment_id, app_name, class_name, regions)
) WITHOUT ROWID;

CREATE TABLE dict_entries (
    dict_id TEXT NOT NULL REFERENCES objects ON DELETE CASCADE,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (dict_id, key)
) WITHOUT ROWID;
"""


class Database:
    """One connection; its contents are used by `reading` and `writing` only."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._connection.row_factory = sqlite3.Row
        try:
            if self._version() != SCHEMA_VERSION:
                self._create(path)
        except sqlite3.DatabaseError as error:
            self.close()
            raise InfraError(
                f"{path}: it can't be used ({error}); the state of a local control plane is "
                "needed; if it is damaged, remove it and deploy again"
            ) from error
        except BaseException:
            self.close()
            raise
        # With a write-ahead log this survives a killed process; only a power cut may lose the
        # last calls.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _create(self, path: Path) -> None:
        with path.with_suffix(".lock").open("w") as lock:
            # SQLite does not wait while another process turns the write-ahead log on.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._version() == SCHEMA_VERSION:
                return
            if self._version():
                raise InfraError(
                    f"{path}: it was written by another version of the local control plane; "
                    f"schema {SCHEMA_VERSION} is allowed, not {self._version()}; remove it and "
                    "deploy again"
                )
            self._connection.execute("PRAGMA journal_mode = WAL")
            with self.writing() as db:
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute(
                    "INSERT INTO environments VALUES (?, ?, '', ?, ?, 1)",
                    (new_id("en"), DEFAULT_ENVIRONMENT, IMAGE_BUILDER_VERSION, time.time()),
                )
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent snapshot."""
        self._connection.execute("BEGIN")
        try:
            yield self._connection
        finally:
            self._connection.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start: all of it, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def changes(self) -> int:
        """Another number whenever another connection, of whatever process, has committed."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        self._connection.close()
