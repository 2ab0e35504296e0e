"""Context to answer: plans, runs and finishes."""
