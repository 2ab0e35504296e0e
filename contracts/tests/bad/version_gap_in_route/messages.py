"""The route of the note stayed at v1."""

ROUTED = {"note": 1, "recipe": 1}
REMOVED_STEPS = (("note", 1),)
