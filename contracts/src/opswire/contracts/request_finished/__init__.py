"""The newest `request_finished`; use cases import from here, never from a version."""

from opswire.contracts.request_finished.v1 import Answer, AssetReference, RequestFinished, Timings

__all__ = ["Answer", "AssetReference", "RequestFinished", "Timings"]
