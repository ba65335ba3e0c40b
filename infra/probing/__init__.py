"""What a caller finds out of a deployed service."""
