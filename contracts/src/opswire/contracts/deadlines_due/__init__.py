"""The newest `deadlines_due`; use cases import from here, never from a version."""

from opswire.contracts.deadlines_due.v1 import DeadlinesDue

__all__ = ["DeadlinesDue"]
