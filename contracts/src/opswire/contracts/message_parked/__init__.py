"""The newest `message_parked`; use cases import from here, never from a version."""

from opswire.contracts.message_parked.v1 import MessageParked

__all__ = ["MessageParked"]
