"""Changes to invalidations, for every cache."""
