"""The newest `approval_given`; use cases import from here, never from a version."""

from opswire.contracts.approval_given.v1 import ApprovalGiven

__all__ = ["ApprovalGiven"]
