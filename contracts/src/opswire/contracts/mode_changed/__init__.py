"""The newest `mode_changed`; use cases import from here, never from a version."""

from opswire.contracts.mode_changed.v1 import ModeChanged

__all__ = ["ModeChanged"]
