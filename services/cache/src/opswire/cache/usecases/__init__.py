"""What the cache service decides; no protocol is spoken here."""
