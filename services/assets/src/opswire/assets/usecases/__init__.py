"""What the assets service decides. No protocol is spoken here."""
