"""The newest `holder_changed`; use cases import from here, never from a version."""

from opswire.contracts.holder_changed.v1 import HolderChanged

__all__ = ["HolderChanged"]
