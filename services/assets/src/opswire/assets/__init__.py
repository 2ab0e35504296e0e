"""Intent to context: which assets it concerns. Owns the inventory."""
