"""What the executor decides: plans, runs and answers. No protocol is spoken here."""
