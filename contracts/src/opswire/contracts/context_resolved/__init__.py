"""The newest `context_resolved`; use cases import from here, never from a version."""

from opswire.contracts.context_resolved.v1 import ContextResolved

__all__ = ["ContextResolved"]
