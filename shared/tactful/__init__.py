"""Tactful: the right message at the right moment, only with consent, always explained.

What rule authors import: `from tactful import Ladder, Run, rule` and `from tactful.events import ProductAdded`.
"""

from tactful.customer import Cart, CartItem, Customer, Order, Orders, Profile
from tactful.errors import TactfulError
from tactful.events.model import Event, Money, UnknownEvent
from tactful.ladder import Ladder
from tactful.operation import StepFailed
from tactful.operations import Message
from tactful.rules import Rule, rule
from tactful.run import Run

__all__ = [
    "Cart",
    "CartItem",
    "Customer",
    "Event",
    "Ladder",
    "Message",
    "Money",
    "Order",
    "Orders",
    "Profile",
    "Rule",
    "Run",
    "StepFailed",
    "TactfulError",
    "UnknownEvent",
    "rule",
]
