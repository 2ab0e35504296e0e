"""One file for each message that the cache service takes."""
