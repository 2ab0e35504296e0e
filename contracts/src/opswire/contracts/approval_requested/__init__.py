"""The newest `approval_requested`; use cases import from here, never from a version."""

from opswire.contracts.approval_requested.v1 import ApprovalRequested, ApprovalTarget

__all__ = ["ApprovalRequested", "ApprovalTarget"]
