"""`tactful explain u1`: what happened to a customer, and why they were or were not written to."""

from __future__ import annotations

from tactful_workbench.commands.options import HERE, Data, Json, show, user
from tactful_workbench.office import get, segment


def explain(customer: str, data: Data = HERE, as_json: Json = False) -> None:
    """Tell a customer's story: events, runs, decisions with their reasons, what is pending."""
    answer = get(data, f"/admin/customers/{segment(customer)}/explain", by=user())
    show(answer["timeline"], answer["text"], as_json)
