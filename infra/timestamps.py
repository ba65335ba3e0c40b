"""Moments as programs read them."""

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """A moment in seconds since 1970 as RFC 3339 has it, such as ``2026-11-22T01:18:26Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
