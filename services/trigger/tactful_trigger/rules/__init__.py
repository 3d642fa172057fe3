"""The rules that ship: each in the module of its name. The other modules hold what several of them decide or show by."""

from tactful_trigger.rules.abandoned_cart import abandoned_cart
from tactful_trigger.rules.canary import canary
from tactful_trigger.rules.churn_risk import churn_risk
from tactful_trigger.rules.complaint_followup import complaint_followup
from tactful_trigger.rules.confirm_consent import confirm_consent
from tactful_trigger.rules.missed_order import missed_order
from tactful_trigger.rules.tell_desk import tell_desk

__all__ = [
    "abandoned_cart",
    "canary",
    "churn_risk",
    "complaint_followup",
    "confirm_consent",
    "missed_order",
    "tell_desk",
]
