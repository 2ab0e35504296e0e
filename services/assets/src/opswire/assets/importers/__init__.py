"""Readers of inventory files: text in, records and a line-by-line account out."""
