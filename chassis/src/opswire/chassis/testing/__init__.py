"""For tests alone: real servers as fixtures, an upstream that has nothing of ours, and waiting for events."""
