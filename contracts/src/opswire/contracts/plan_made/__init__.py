"""The newest `plan_made`; use cases import from here, never from a version."""

from opswire.contracts.plan_made.v2 import Argument, Arguments, Call, PlanMade, Step

__all__ = ["Argument", "Arguments", "Call", "PlanMade", "Step"]
