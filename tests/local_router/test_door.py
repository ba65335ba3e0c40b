"""Who may come in, and what of the credentials stays at the door."""

import pytest

from infra.local.door import Door

TOKEN = ("wk-1", "ws-2")
MISSING = "modal-http: missing credentials for proxy authorization"
INVALID = "modal-http: invalid credentials for proxy authorization"


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"Modal-Key": "wk-1", "Modal-Secret": "ws-2"}, None),
        ({"Authorization": "Bearer wk-1.ws-2"}, None),
        ({"Authorization": "bearer wk-1.ws-2", "Modal-Key": "other"}, None),
        ({}, MISSING),
        ({"Modal-Key": "wk-1"}, MISSING),
        ({"Authorization": "Basic wk-1.ws-2"}, MISSING),
        ({"Authorization": "Bearer wk-1.ws-3"}, MISSING),
        ({"Modal-Key": "wk-1", "Modal-Secret": "ws-3"}, INVALID),
        ({"Modal-Key": "", "Modal-Secret": ""}, INVALID),
        ({"Modal-Key": "wk-1", "Modal-Secret": "\udcff"}, INVALID),
    ],
)
def test_the_token_opens(headers: dict[str, str], refusal: str | None) -> None:
    """As two headers or as a bearer's; nothing else does."""
    assert Door(token=TOKEN).refusal(headers) == refusal


def test_a_door_without_a_token_is_open() -> None:
    """Anybody comes in, and the engine gets all headers, whatever they are called."""
    headers = {"Authorization": "Bearer of-the-engine", "Modal-Key": "x"}
    assert Door().refusal(headers) is None
    assert Door().credentials(headers) == set()


def test_the_token_stays_at_the_door() -> None:
    """An Authorization header is the engine's own unless it was the one that opened."""
    pair = {"Modal-Key": "wk-1", "Modal-Secret": "ws-2", "Authorization": "Bearer of-the-engine"}
    door = Door(token=TOKEN)
    assert door.credentials(pair) == {b"modal-key", b"modal-secret"}
    assert b"authorization" in door.credentials({"Authorization": "Bearer wk-1.ws-2"})


def test_the_token_is_not_shown() -> None:
    """A door in a log or a traceback does not give its secret away."""
    assert "ws-2" not in repr(Door(token=TOKEN))
