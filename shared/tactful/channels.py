"""The channel that is none of the customer's."""

from __future__ import annotations

from typing import Final

DESK: Final = "desk"
"""To the shop's own mailbox, by which people there hear what a customer has answered. It speaks to no customer, so what the
customer allows, and when, does not bind it, and it is no contact with them."""
