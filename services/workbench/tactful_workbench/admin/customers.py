"""What is asked and done about one customer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from fastapi.responses import Response

from tactful.channels import known_channel
from tactful.errors import InvalidInput
from tactful.purposes import known_purpose
from tactful_console.explain import explain_text
from tactful_console.timeline import timeline
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.facts import Word
from tactful_workbench.admin.deployment import Deployment
from tactful_workbench.operating.wishes import COMMAND_LINE, ConsentWish, Reopening


class Customers:
    """Under `/admin/customers` and `/admin/consent`."""

    def __init__(self, product: Deployment) -> None:
        self._product = product

    async def find(self, text: str) -> dict[str, Any]:
        return {"customers": await self._product.story.search(text)}

    async def explain(self, customer: str, by: str = COMMAND_LINE) -> dict[str, Any]:
        story = timeline(await self._product.story.timeline(customer), self._product.settings.latest.shop.timezone)
        await self._note(customer, by, story)
        return {"timeline": msgspec.to_builtins(story), "text": explain_text(story, self._product.clock.now())}

    async def export(self, customer: str, by: str = COMMAND_LINE) -> Response:
        copy = await self._product.personal.export(customer)
        await self._note(customer, by, copy)
        return Response(copy, media_type="application/json")

    async def _note(self, customer: str, by: str, known: object) -> None:
        """Write down who has read the story, if there is anything in it."""
        if self._product.readings is not None and known:
            await self._product.readings.note(customer, by)

    async def erase(self, customer: str) -> dict[str, Any]:
        before = await self._product.personal.gone_since(customer)
        farewell = await self._product.personal.erase_known(customer, COMMAND_LINE)
        clean, gone_on = self._day(farewell.log_clean_at), None if before is None else self._day(before)
        return {"customer": customer, "erased_at": farewell.at, "log_clean_on": clean, "gone_since": gone_on}

    def _day(self, instant: int) -> str:
        return datetime.fromtimestamp(instant / 1000, self._product.settings.latest.shop.zone).date().isoformat()

    async def reopen(self, customer: str, wish: Reopening) -> dict[str, Any]:
        channel = known_channel(wish.channel, "channel")
        return {"was": await self._product.desk.reopen(customer, channel, wish.by, wish.why)}

    async def consents(self, customer: str) -> dict[str, Any]:
        card = await self._product.desk.card(customer)
        told = ("purpose", "channel", "state", "entry", "at", "basis", "wording", "via", "once")
        return {
            "consents": [
                {name: getattr(word, name) for name in told} for word in (*card.consents, *_of_addresses(card))
            ]
        }

    async def record_consent(self, customer: str, wish: ConsentWish) -> dict[str, Any]:
        if wish.state not in ("granted", "withdrawn"):
            raise InvalidInput("invalid_state", f'consent is granted or withdrawn, not "{wish.state}"')
        purpose, channel = known_purpose(wish.purpose, "purpose"), known_channel(wish.channel, "channel")
        entry = await self._product.desk.consent(
            customer, purpose, channel, wish.state, via=wish.via, wording=wish.wording
        )
        return {"entry": entry}


def _of_addresses(card: CustomerCard) -> Iterator[Word]:
    """What binds the customer's addresses though it is no word of theirs: of somebody who shares them, or on a list of a sender before."""
    own = {(said.purpose, said.at) for said in card.consents if said.state == "withdrawn"}
    for channel, withdrawn in card.closed.items():
        for purpose, at in withdrawn.items():
            if (purpose, at) not in own:
                yield Word(purpose, channel, "withdrawn", at, entry=0, basis="", via="address")
