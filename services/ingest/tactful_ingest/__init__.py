"""Ingest: HTTP in, records out."""
