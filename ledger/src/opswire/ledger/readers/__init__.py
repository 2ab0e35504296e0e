"""Readers of traces that others recorded."""
