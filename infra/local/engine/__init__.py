"""A stand-in for SGLang: its command line and HTTP answers, modelled times, no model."""

from infra.local.engine.installation import install, refuse

__all__ = ["install", "refuse"]
