"""The recipe has no route."""

ROUTED = {"note": 2}
