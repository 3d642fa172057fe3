"""Dispatch: decides whether and when a message may leave, and sends it."""
