"""The newest `deadline_passed`; use cases import from here, never from a version."""

from opswire.contracts.deadline_passed.v1 import DeadlinePassed

__all__ = ["DeadlinePassed"]
