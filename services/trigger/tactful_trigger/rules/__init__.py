"""The rules that ship."""

from tactful_trigger.rules.abandoned_cart import abandoned_cart
from tactful_trigger.rules.complaint_followup import complaint_followup
from tactful_trigger.rules.missed_order import missed_order

__all__ = ["abandoned_cart", "complaint_followup", "missed_order"]
