"""A page with one question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A page with one question: its buttons are (field, value, label). With `words` the customer may say more.
    Of what is `final` nothing can be undone."""

    title: str
    lead: str
    buttons: tuple[tuple[str, str, str], ...]
    words: bool = False
    final: bool = False
