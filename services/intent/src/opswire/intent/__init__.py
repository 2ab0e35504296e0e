"""Request to intent: what is asked."""
