"""Many model calls at once, for later: cheaper at hosted providers, on a quiet server of our own otherwise."""
