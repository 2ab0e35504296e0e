"""The newest `intent_resolved`; use cases import from here, never from a version."""

from opswire.contracts.intent_resolved.v1 import IntentResolved

__all__ = ["IntentResolved"]
