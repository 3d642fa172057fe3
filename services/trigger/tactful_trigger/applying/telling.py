"""Telling dispatch what it needs to know of a customer, when that changes. What the settings make of it dispatch sees by itself.
Pure but for the row and the effects."""

from __future__ import annotations

from msgspec.structs import replace

from tactful.customer import Engagement, Orders, Profile, Segments, Tickets
from tactful.events import ContactMade
from tactful.identity import digest, fingerprint
from tactful.purposes import is_service
from tactful.records import DISPATCH, RecipientBody, RecipientRecord
from tactful.settings import Settings
from tactful_trigger.applying.recipient import recipient
from tactful_trigger.effects import Effects
from tactful_trigger.state.row import Row


class Telling:
    """Tells dispatch of the customers of one slice."""

    def __init__(self, settings: Settings, effects: Effects) -> None:
        self._settings, self._effects = settings, effects

    def tell(self, row: Row, at: int, *, again: bool = False) -> None:
        """Tell dispatch what it needs to know, if that is news; under every name under which a message still waits. A flag is told
        `again` though it is none: whoever posts it once more asks that it be carried out anew."""
        body = _recipient(row, self._settings)
        known = fingerprint(body)
        if again or known != row.recipient:
            row.recipient = known
            self._tell_names(row, body, known, at)

    def tell_of_contact(self, row: Row, made: ContactMade, at: int) -> bool:
        """Somebody else spoke to the customer before the contact that was heard of last: it counts as well; whether it is told."""
        if is_service(made.purpose):
            return False
        then = {"contacted_at": made.meta.occurred_at, "contacted_on": made.channel, "in_touch_with": made.by}
        body = replace(_recipient(row, self._settings), **then)
        self._tell_names(row, body, fingerprint(body), at)
        self.tell(row, at, again=True)
        return True

    def tell_alias(self, row: Row, name: str, at: int) -> None:
        """A message that was asked under another name is for this customer now."""
        body = _recipient(row, self._settings)
        self._tell(row, name, body, fingerprint(body), at)

    def _tell_names(self, row: Row, body: RecipientBody, known: str, at: int) -> None:
        for name in (row.id, *sorted({run.asked_as for run in row.runs if run.asked_as})):
            self._tell(row, name, body, known, at)

    def _tell(self, row: Row, customer: str, body: RecipientBody, known: str, at: int) -> None:
        put = self._effects.put_here if customer == row.id else self._effects.put
        put(DISPATCH, RecipientRecord(id=digest("recipient", customer, str(at), known), key=customer, at=at, body=body))


def _recipient(row: Row, settings: Settings) -> RecipientBody:
    return recipient(
        row.state("profile") or Profile(),
        row.state("orders") or Orders(),
        row.state("tickets") or Tickets(),
        row.state("engagement") or Engagement(),
        row.state("segments") or Segments(),
        settings,
    )
