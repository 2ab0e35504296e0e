"""The newest `resolution_recorded`; use cases import from here, never from a version."""

from opswire.contracts.resolution_recorded.v1 import ResolutionRecorded

__all__ = ["ResolutionRecorded"]
