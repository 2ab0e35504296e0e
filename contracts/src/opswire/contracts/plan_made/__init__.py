"""The newest `plan_made`; use cases import from here, never from a version."""

from opswire.contracts.plan_made.v1 import Argument, PlanMade, Step

__all__ = ["Argument", "PlanMade", "Step"]
