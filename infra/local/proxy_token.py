"""The token that callers of a rehearsal's servers must show, one for each folder of state."""

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from infra.errors import InfraError

_FILE = "proxy_token.json"


def proxy_token(root: Path) -> tuple[str, str]:
    """
    Its (id, secret); made when first asked for.

    Raises:
        InfraError: The file holds something else.
    """
    path = root / _FILE
    if not path.exists():
        _make(path)
    with suppress(ValueError):
        match json.loads(path.read_text(encoding="utf-8")):
            case [str(token), str(secret)]:
                return token, secret
    raise InfraError(f"{path}: it holds no token; one is needed; remove it, and a new one is made")


def _make(path: Path) -> None:
    """All of it or nothing, whenever this process is killed; readable for its owner only."""
    made = f"wk-{secrets.token_hex(11)}", f"ws-{secrets.token_hex(16)}"
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=_FILE) as file:
        json.dump(made, file)
        file.flush()
        with suppress(FileExistsError):  # somebody else was first
            os.link(file.name, path)
