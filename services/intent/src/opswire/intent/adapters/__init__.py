"""How the intent service's values are written outside."""
