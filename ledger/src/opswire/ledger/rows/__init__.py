"""Per-request rows: what the ledger keeps of a request once its spans are gone."""
