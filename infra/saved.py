"""The last plan, kept for the apply that follows it."""

from collections.abc import Iterable
from pathlib import Path

from infra.compile import Artifact
from infra.diff import diff
from infra.errors import InfraError, StalePlan, UsageError
from infra.files import write_file
from infra.local_files import digest
from infra.plan import Plan
from infra.plan_file import from_json, to_json

FOLDER = Path(".infra")
PLAN = FOLDER / "plan.json"


def save(plan: Plan, path: Path = PLAN) -> None:
    """Keep the plan."""
    write_file(path, to_json(plan))


def forget(path: Path = PLAN) -> None:
    """Take the kept plan away."""
    path.unlink(missing_ok=True)


def saved(path: Path = PLAN) -> Plan:
    """
    Read a plan back.

    Raises:
        UsageError: No plan was made yet.
        InfraError: It is no file that can be read, or no plan.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        if path == PLAN and not path.exists():
            raise UsageError(
                f"{path}: there is no saved plan; a stack file is needed; "
                "run `infra plan stacks/dev.py` first, or name the stack file"
            ) from None
        so = f"can't be read ({error.strerror})" if path.exists() else "is not there"
        raise InfraError(
            f"{path}: {so}; a stack file or a saved plan is allowed; write the path of one"
        ) from error
    return from_json(text, str(path))


def check_stack(plan: Plan, artifacts: tuple[Artifact, ...]) -> None:
    """
    Refuse a plan whose stack file says something else by now.

    Raises:
        StalePlan: With what differs.
    """
    if plan.destroy:
        return
    before = {app.app: app.artifact for app in plan.apps if app.artifact}
    after = {artifact.app: artifact for artifact in artifacts}
    moved = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        for change in diff(old.manifest if old else None, new.manifest if new else None):
            paths = ", ".join(field.path for field in change.fields) or "everything"
            moved.append(f"{change.address}: {paths}")
    if moved:
        raise _stale(plan, f"{plan.stack_file} was changed", moved)


def check_files(plan: Plan) -> None:
    """
    Refuse a plan whose images would be given other local files than it saw.

    Raises:
        StalePlan: With the files.
    """
    moved = {
        f"{address}: {path}": None
        for app in plan.apps
        if app.artifact and app.changes
        for address, resource in app.artifact.manifest.resources.items()
        for step in (*resource.get("steps", ()), *resource.get("files", ()))
        if "content" in step and not _is_unchanged(path := step["args"][0], step["content"])
    }
    if moved:
        raise _stale(plan, "local files were changed", moved)


def _is_unchanged(path: str, content: str) -> bool:
    return Path(path).exists() and digest(Path(path)) == content


def _stale(plan: Plan, what: str, moved: Iterable[str]) -> StalePlan:
    lines = [
        f"Saved plan is stale: {what} after the plan was made.",
        *(f"  - {line}" for line in moved),
        f"Nothing was changed. Run `{plan.command('plan')}` again.",
    ]
    return StalePlan("\n".join(lines))
