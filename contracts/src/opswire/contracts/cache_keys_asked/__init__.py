"""The newest `cache_keys_asked`; use cases import from here, never from a version."""

from opswire.contracts.cache_keys_asked.v1 import CacheKeysAsked

__all__ = ["CacheKeysAsked"]
