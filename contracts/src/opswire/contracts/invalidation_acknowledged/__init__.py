"""The newest `invalidation_acknowledged`; use cases import from here, never from a version."""

from opswire.contracts.invalidation_acknowledged.v1 import InvalidationAcknowledged

__all__ = ["InvalidationAcknowledged"]
