"""The newest `cancellation_requested`; use cases import from here, never from a version."""

from opswire.contracts.cancellation_requested.v1 import CancellationRequested

__all__ = ["CancellationRequested"]
