"""The rules that ship."""

from tactful_trigger.rules.abandoned_cart import abandoned_cart

__all__ = ["abandoned_cart"]
