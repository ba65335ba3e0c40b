"""An embedded Modal control plane on loopback, for the real modal SDK and command line."""

from infra.local.control_plane import ControlPlane
from infra.local.endpoint import running

__all__ = ["ControlPlane", "running"]
