"""Benchmarks: ours and the reference in one run, and the ratio."""
