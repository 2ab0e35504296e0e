"""The newest `step_finished`; use cases import from here, never from a version."""

from opswire.contracts.step_finished.v1 import StepFinished, Verified

__all__ = ["StepFinished", "Verified"]
