"""The newest `approval_decided`; use cases import from here, never from a version."""

from opswire.contracts.approval_decided.v1 import ApprovalDecided

__all__ = ["ApprovalDecided"]
