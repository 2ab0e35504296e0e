"""The newest `step_claimed`; use cases import from here, never from a version."""

from opswire.contracts.step_claimed.v1 import FencingToken, StepClaimed

__all__ = ["FencingToken", "StepClaimed"]
