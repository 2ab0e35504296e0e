"""The cache service over HTTP: statistics, keys, invalidation, warming, and a page for people."""
