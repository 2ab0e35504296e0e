"""`trace` on the ledger's account of one request."""
