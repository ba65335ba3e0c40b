"""A stand-in for an engine: its command line and HTTP answers, modelled times, no model."""

from infra.local.engine.installation import install

__all__ = ["install"]
