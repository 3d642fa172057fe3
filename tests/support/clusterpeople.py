"""What customers of a deployment do with what they were sent."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlencode

import httpx
import msgspec
from clusterbench import Cluster

from tactful.settings import Shop
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.inbound.sms import inbound_url
from tactful_dispatch.links import Grant, Links

SMS: Final = "twilio+plain://AC1:t0ken@127.0.0.1:9?from=+34600000001"
PHONE: Final = "+34600111222"


class Customers:
    """They know the links in their messages."""

    def __init__(self, shop: Cluster, messages: dict[str, str]) -> None:
        """`messages`: by customer, what was sent to each."""
        self._shop, self._messages = shop, messages
        self._links = Links("", (shop.data / "secrets" / "link-key").read_bytes())

    def _link(self, action: str, customer: str) -> str:
        return self._links.url(Grant(action, customer, self._messages[customer], "email", "marketing.cart"))

    async def opts_out(self, customer: str, http: httpx.AsyncClient) -> httpx.Response:
        """The mail program's button (RFC 8058)."""
        return await self._post(http, self._link("unsubscribe", customer), **{"List-Unsubscribe": "One-Click"})

    async def opens(self, customer: str, http: httpx.AsyncClient) -> httpx.Response:
        return await http.get(self._link("open", customer))

    async def is_forgotten(self, customer: str, http: httpx.AsyncClient) -> httpx.Response:
        page = self._link("preferences", customer).replace("/p/", "/e/")
        return await self._post(http, page, do="erase")

    async def texts_stop(self, http: httpx.AsyncClient) -> httpx.Response:
        form = {"From": PHONE, "Body": "STOP", "MessageSid": "SM9"}
        signature = sms_gateway(SMS).signature(inbound_url(Shop().public_url), form.items())
        return await self._post(http, "/sms/inbound", signature, **form)

    async def _post(self, http: httpx.AsyncClient, path: str, signature: str = "", **form: str) -> httpx.Response:
        headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
        return await http.post(path, content=urlencode(form), headers=headers)


async def consent(shop: Cluster, customer: str, channel: str) -> str:
    """What stands, as an operator is told."""
    told = await asyncio.to_thread(shop.command, "consent", "show", customer, "--json")
    assert told.returncode == 0, told.stderr
    lines = msgspec.json.decode(told.stdout)
    return next(str(line["state"]) for line in lines if line["channel"] == channel)
