"""The newest `request_submitted`; use cases import from here, never from a version."""

from opswire.contracts.request_submitted.v1 import Event, RequestSubmitted

__all__ = ["Event", "RequestSubmitted"]
