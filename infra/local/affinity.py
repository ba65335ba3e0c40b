"""Which backend a session belongs to: rendezvous hashing."""

import hashlib
from collections.abc import Iterable


def home(session: str, backend_ids: Iterable[str]) -> str:
    """
    The backend that weighs most for this session.

    Each pair has a weight of its own, so one more backend draws only the sessions for which it
    weighs most, about 1/n of them from every other alike, and one less moves only its own.
    """
    return max(backend_ids, key=lambda backend_id: (_weight(session, backend_id), backend_id))


def _weight(session: str, backend_id: str) -> bytes:
    # Python's own hash() differs from process to process: a restart would move every session.
    # What a client sends need not be text; an id has no zero byte, so the pair is unambiguous.
    pair = f"{session}\0{backend_id}".encode(errors="surrogateescape")
    return hashlib.blake2b(pair, digest_size=8).digest()
