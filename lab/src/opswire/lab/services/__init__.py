"""The small real programs that run on the lab's hosts."""
