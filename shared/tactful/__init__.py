"""Tactful."""
