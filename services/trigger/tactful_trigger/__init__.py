"""Trigger: runs rules over each customer's events and time, and asks for messages."""
