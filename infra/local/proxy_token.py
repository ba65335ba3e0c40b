"""The token that callers of a rehearsal's servers must show, one for each folder of state."""

import json
import os
import secrets
from pathlib import Path

_FILE = "proxy_token.json"


def proxy_token(root: Path) -> tuple[str, str]:
    """
    Its (id, secret); made when first asked for.

    Raises:
        ValueError: The file holds something else.
    """
    path = root / _FILE
    try:
        # Only its owner may read it.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        match json.loads(path.read_text(encoding="utf-8")):
            case [str(token), str(secret)]:
                return token, secret
        raise ValueError(f"{path} holds no token; remove it, and a new one is made") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        made = f"wk-{secrets.token_hex(11)}", f"ws-{secrets.token_hex(16)}"
        json.dump(made, file)
    return made
