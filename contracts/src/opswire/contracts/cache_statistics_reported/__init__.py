"""The newest `cache_statistics_reported`; use cases import from here, never from a version."""

from opswire.contracts.cache_statistics_reported.v1 import CacheStatisticsReported

__all__ = ["CacheStatisticsReported"]
