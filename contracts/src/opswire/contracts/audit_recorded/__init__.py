"""The newest `audit_recorded`; use cases import from here, never from a version."""

from opswire.contracts.audit_recorded.v1 import AuditEntry, AuditRecorded, StreamPosition

__all__ = ["AuditEntry", "AuditRecorded", "StreamPosition"]
