"""Readers of traces: files, the interfaces of Jaeger and Tempo, and documents in OTLP's and Jaeger's forms."""
