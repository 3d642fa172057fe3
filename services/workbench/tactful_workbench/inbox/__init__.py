"""The inbox of `tactful dev`: every message that would have left, the customer's answers to it, and the clock."""

from tactful_workbench.inbox.app import create_inbox

__all__ = ["create_inbox"]
