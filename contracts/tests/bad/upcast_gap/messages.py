"""The step from v1 to v2 is missing."""

REMOVED_STEPS = (("note", 1),)
