"""The newest `caches_invalidated`; use cases import from here, never from a version."""

from opswire.contracts.caches_invalidated.v1 import CachesInvalidated

__all__ = ["CachesInvalidated"]
