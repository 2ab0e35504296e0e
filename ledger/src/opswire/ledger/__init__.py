"""The latency ledger: spans in, segments and stage tables out."""
