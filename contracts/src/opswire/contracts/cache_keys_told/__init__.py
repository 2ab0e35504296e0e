"""The newest `cache_keys_told`; use cases import from here, never from a version."""

from opswire.contracts.cache_keys_told.v1 import CacheKeysTold

__all__ = ["CacheKeysTold"]
