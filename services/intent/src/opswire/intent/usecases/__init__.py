"""What the intent service decides; no protocol is spoken here."""
