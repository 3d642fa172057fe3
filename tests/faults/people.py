"""A visitor who logs in, texts and their receipts, a system of the shop's own, and two who ask to be forgotten."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from providerserver import Asked, provider_server
from shopplay import PUBLIC_URL, SETTINGS, START, Ledger, Provider, Shop, World, item, lines, perform

from tactful.clock import HOUR, MINUTE, WallClock
from tactful_dispatch.channels import Adapter
from tactful_dispatch.channels.publichost import Target
from tactful_dispatch.channels.sms import SmsAdapter, status_url
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.channels.webhook import WebhookAdapter
from tactful_dispatch.inbound.sms import inbound_url

CUSTOMERS: Final = ("gil", "hal", "ivy", "joe", "kim", "anon:v1")
PHONE: Final = "+34600111222"
RULE: Final = '''
from tactful import Run, rule
from tactful.events import Page


@rule(on=Page, repeat="parallel", purpose="marketing.news", version=1)
async def news(run: Run, page: Page) -> str:
    """Speaks over the channel that the page is named after."""
    return "asked" if await run.send(page.name, "news") else "not sent"
'''
MORE_SETTINGS: Final = """
[rules.news]
mode = "live"

[webhook]
url = "https://system.shop.example/hook"
"""
TEMPLATES: Final = {"sms.en.txt": "News. Reply STOP to get no more.", "webhook.en.txt": "News.", "example.json": "{}"}


async def play(shop: Shop) -> None:
    """Gil gets one text and says STOP; ivy is known once she logs in; joe and kim are erased, before a message and after."""
    for customer in ("gil", "hal", "joe", "kim"):
        await shop.post("/v1/identify", f"{customer}-known", userId=customer, traits=traits(customer))
        await shop.say(customer, "granted", "")
    await shop.track("kim", "kim-adds", "Product Added", cart_id="cart-kim", **item("kettle"))
    cart = {"event": "Product Added", "properties": {"cart_id": "cart-ivy", **item("kettle")}}
    await shop.post("/v1/track", "anon-v1-adds", anonymousId="v1", **cart)
    await shop.post("/v1/page", "gil-page", userId="gil", name="sms")
    await shop.post("/v1/page", "hal-page", userId="hal", name="webhook")
    await shop.until(START + 5 * MINUTE)  # if hal's system did not answer, it is asked again
    await shop.act("gil-delivered", partial(delivered, shop))
    await shop.act("gil-stops", partial(texted, shop, "STOP"))
    await shop.post("/v1/page", "gil-page-again", userId="gil", name="sms")
    await shop.post("/v1/identify", "ivy-known", userId="ivy", anonymousId="v1", traits=traits("ivy"))
    await shop.say("ivy", "granted", "")
    await shop.until(START + 2 * HOUR)  # ivy and kim are reminded
    await shop.act("kim-erased", partial(shop.product.personal.erase, "kim", "page"))
    late = {"event": "Product Added", "timestamp": "2026-11-23T13:30:00Z", "properties": cart["properties"]}
    await shop.post("/v1/track", "kim-late", userId="kim", **late)
    await shop.until(START + 6 * HOUR + 30 * MINUTE)
    await shop.track("joe", "joe-adds", "Product Added", cart_id="cart-joe", **item("kettle"))
    await shop.until(START + 7 * HOUR + 40 * MINUTE)  # joe's reminder waits for the morning
    await shop.act("joe-erased", partial(shop.product.personal.erase, "joe", "page"))
    await shop.until(START + 44 * HOUR)


def traits(customer: str) -> dict[str, Any]:
    """Gil has a telephone."""
    phone = {"phone": PHONE} if customer == "gil" else {}
    zone = {"timezone": "Europe/Madrid"}
    return {"email": f"{customer}@example.test", "firstName": customer.title(), **zone, **phone}


async def delivered(shop: Shop) -> None:
    """The SMS provider reports on what it has taken."""
    taken = [line["message"] for line in lines(shop.world.ledger.file) if line["channel"] == "sms"]
    for message in taken:
        await call(shop, status_url(PUBLIC_URL, message), MessageSid="SM1", MessageStatus="delivered")


async def texted(shop: Shop, words: str) -> None:
    """Gil texts back."""
    await call(shop, inbound_url(PUBLIC_URL), From=PHONE, Body=words, MessageSid="SM9")


async def call(shop: Shop, url: str, **form: str) -> None:
    """The SMS provider calls, signed; it repeats what was not taken."""
    gateway = sms_gateway(shop.world.sms)
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": gateway.signature(url, form.items()),
    }
    answer = await shop.http.post(url, content=urlencode(form), headers=headers)
    assert answer.status_code == 200, answer.text


@asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[World]:
    """Providers on the loopback that note every request before they answer it."""
    ledger, own = Ledger(folder), folder / "own"
    write(own)
    async with provider_server(on=partial(noted, ledger)) as provider:
        provider.answers = [(201, {}, b'{"sid": "SM1", "status": "queued"}')]
        at = f"127.0.0.1:{provider.port}"
        sms = f"twilio+plain://AC1:t0ken@{at}?from=+34600000001"

        async def here(url: str) -> Target:
            return Target(f"http://{at}/hook", "localhost", "localhost")

        adapters: dict[str, Adapter] = {
            "email": Provider(ledger),
            "sms": SmsAdapter(sms_gateway(sms), lambda: PUBLIC_URL),
            "webhook": WebhookAdapter(b"secret", WallClock(), judge=here),
        }
        yield World(ledger, adapters, SETTINGS + MORE_SETTINGS, own, sms)


def noted(ledger: Ledger, asked: Asked) -> None:
    """Which message a request is about, and of whom."""
    if asked.path == "/hook":
        ledger.note(asked.headers["webhook-id"], json.loads(asked.body)["data"]["customer"], "webhook")
    else:
        ledger.note(asked.form["StatusCallback"].rpartition("/")[2], "gil", "sms")


def write(own: Path) -> None:
    """The shop's own rule, and its templates."""
    (own / "rules").mkdir(parents=True, exist_ok=True)
    (own / "rules" / "news.py").write_text(RULE)
    (own / "templates" / "news").mkdir(parents=True, exist_ok=True)
    for name, text in TEMPLATES.items():
        (own / "templates" / "news" / name).write_text(text)


if __name__ == "__main__":
    perform(play, CUSTOMERS, surroundings)
