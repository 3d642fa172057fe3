"""The inbox of `tactful dev`: every message that would have left, the customer's answers to it, and the clock."""
