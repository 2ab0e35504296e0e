"""Caches that serve nothing stale after an invalidation: stamped entries over one ordered log, under a read lease."""
