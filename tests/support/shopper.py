"""A customer of the running server, as the shop's backend would tell of them."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import httpx
from devserver import Server

KETTLE = {"product_id": "p1", "name": "Blue kettle", "price": 39.90, "currency": "EUR", "quantity": 1}
TEA = {"product_id": "p2", "name": "Tea, 500 g", "price": 8.50, "currency": "EUR", "quantity": 2}


class Shopper:
    """One customer with an id nobody else has."""

    def __init__(self, server: Server, name: str = "") -> None:
        self._server, self._numbers = server, itertools.count(1)
        self.id = name or f"u{uuid.uuid4().hex[:10]}"
        self.cart = f"cart-{self.id}"

    def known(self, **traits: Any) -> Shopper:
        """An address, a name and a time zone; other traits as given."""
        usual = {"email": f"{self.id}@example.test", "firstName": "Uma", "locale": "en", "timezone": "Europe/Madrid"}
        answer = self._server.post("/v1/identify", self._call(traits=usual | traits))
        assert answer.status_code == 200, answer.text
        return self

    def consents(self, channel: str = "email", state: str = "granted") -> Shopper:
        """A word on marketing by one channel."""
        said = {"purpose": "marketing", "channel": channel, "state": state, "basis": "consent"}
        self.does("Consent Changed", **said, wording="signup-form-3", source="checkout", proof={"ip": "203.0.113.9"})
        return self

    def adds(self, product: dict[str, Any]) -> httpx.Response:
        """Put a product into the cart."""
        return self.does("Product Added", cart_id=self.cart, **product)

    def does(self, event: str, message_id: str = "", **properties: Any) -> httpx.Response:
        """Any event."""
        answer = self._server.post("/v1/track", self._call(message_id, event=event, properties=properties))
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"success": True}
        return answer

    def decisions(self, report: dict[str, Any]) -> list[tuple[str, str, str | None]]:
        """(channel, verdict, reason) of this customer in what an advance answered."""
        mine = [d for d in report["decisions"] if d["customer"] == self.id]
        return [(d["channel"], d["verdict"], d["reason"]) for d in mine]

    def letters(self, report: dict[str, Any]) -> list[str]:
        """Addresses of this customer's new letters in the inbox, in what an advance answered."""
        return [d["url"] for d in report["decisions"] if d["customer"] == self.id and d["verdict"] == "sent"]

    def explained(self) -> str:
        """What `tactful explain` prints."""
        return self._server.told("explain", self.id)

    def _call(self, message_id: str = "", **more: Any) -> dict[str, Any]:
        return {"userId": self.id, "messageId": message_id or f"{self.id}-{next(self._numbers)}", **more}
