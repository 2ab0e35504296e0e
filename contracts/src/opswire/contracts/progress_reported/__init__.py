"""The newest `progress_reported`; use cases import from here, never from a version."""

from opswire.contracts.progress_reported.v1 import ProgressReported

__all__ = ["ProgressReported"]
