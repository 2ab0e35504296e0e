"""The opswire command: up, ask, show, trace and the rest."""
