"""The newest `holder_reported`; use cases import from here, never from a version."""

from opswire.contracts.holder_reported.v1 import HolderReported

__all__ = ["HolderReported"]
