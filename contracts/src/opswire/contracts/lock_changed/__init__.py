"""The newest `lock_changed`; use cases import from here, never from a version."""

from opswire.contracts.lock_changed.v1 import LockChanged

__all__ = ["LockChanged"]
