"""The routes behind the command line: `/admin`, for whoever holds the token in `<data>/server.json`."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict

from tactful.errors import InvalidInput, SettingsError, TactfulError
from tactful.log import Stored
from tactful.records import TOPICS
from tactful_console.explain import explain_text
from tactful_console.timeline import timeline
from tactful_dispatch.ledger import broken_at
from tactful_workbench.editing import with_sending
from tactful_workbench.embedded import Product

PAGE = 500  # records read at a time


class ConsentWish(BaseModel):
    """A word on consent, as an operator records it."""

    model_config = ConfigDict(extra="forbid")
    purpose: str
    channel: str = ""
    state: str
    via: str = "command-line"
    wording: str = ""


class SendingWish(BaseModel):
    """Who may be written to."""

    model_config = ConfigDict(extra="forbid")
    mode: str
    allow: list[str] | None = None


class KeyWish(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")
    name: str
    scope: str = "server"


def admin_app(product: Product) -> FastAPI:
    """The admin routes as an application of their own."""
    app = FastAPI(openapi_url=None)
    app.include_router(admin_router(product))
    app.add_exception_handler(TactfulError, told_as_json)
    return app


async def told_as_json(request: Request, error: Exception) -> JSONResponse:
    """Named errors in the form that every other answer has."""
    code = error.code if isinstance(error, InvalidInput) else "refused"
    return JSONResponse({"code": code, "message": str(error)}, 400)


def admin_router(product: Product) -> APIRouter:
    """Every route asks for the token."""
    office = _Office(product)
    router = APIRouter(prefix="/admin", dependencies=[Depends(_bearer_of(product.token))])
    routes: tuple[tuple[str, str, Callable[..., Awaitable[Any]]], ...] = (
        ("GET", "/customers/{customer:path}/explain", office.explain),
        ("GET", "/consent/{customer:path}", office.consents),
        ("POST", "/consent/{customer:path}", office.record_consent),
        ("GET", "/consent-ledger", office.verify_ledger),
        ("GET", "/rules", office.rules),
        ("GET", "/sending", office.sending),
        ("POST", "/sending", office.change_sending),
        ("GET", "/keys", office.keys),
        ("POST", "/keys", office.make_key),
        ("POST", "/keys/{name:path}/revoke", office.revoke_key),
        ("GET", "/events", office.events),
    )
    for method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method], response_model=None)
    return router


def _bearer_of(token: str) -> Callable[[Request], None]:
    wanted = f"Bearer {token}".encode()

    def check(request: Request) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted):
            raise InvalidInput(
                "invalid_token", "this command needs the token in server.json; is --data the right folder?"
            )

    return check


class _Office:
    def __init__(self, product: Product) -> None:
        self._product = product

    async def explain(self, customer: str) -> dict[str, Any]:
        story = timeline(await self._product.story.timeline(customer), self._product.settings.latest.shop.timezone)
        return {"timeline": msgspec.to_builtins(story), "text": explain_text(story)}

    async def consents(self, customer: str) -> dict[str, Any]:
        card = await self._product.desk.card(customer)
        return {"consents": msgspec.to_builtins(card.consents)}

    async def record_consent(self, customer: str, wish: ConsentWish) -> dict[str, Any]:
        if wish.state not in ("granted", "withdrawn"):
            raise InvalidInput("invalid_state", f'consent is granted or withdrawn, not "{wish.state}"')
        entry = await self._product.desk.consent(
            customer, wish.purpose, wish.channel, wish.state, via=wish.via, wording=wish.wording
        )
        return {"entry": entry}

    async def verify_ledger(self) -> dict[str, Any]:
        chains = []
        for partition in range(self._product.log.partitions):
            links = await self._product.dispatch.ledger(partition)
            broken = broken_at(links)
            chains.append({"partition": partition, "entries": len(links), "whole": broken is None, "broken_at": broken})
        return {"partitions": chains}

    async def rules(self) -> dict[str, Any]:
        product, settings = self._product, self._product.settings.latest
        alive = await product.trigger.live_runs()
        rules = [
            {
                "name": rule.name,
                "version": rule.terms.version,
                "mode": settings.rule(rule.name).mode,
                "origin": rule.origin,
                "about": rule.about,
                "live_runs": alive.get(rule.name, 0),
            }
            for rule in product.loaded.rules
        ]
        return {"rules": rules, "broken": [broken._asdict() for broken in product.loaded.broken]}

    async def sending(self) -> dict[str, Any]:
        settings = self._product.settings.latest
        return {
            "shop": settings.shop.name,
            "mode": settings.sending.mode,
            "allow": list(settings.sending.allow),
            "rules": {rule.name: settings.rule(rule.name).mode for rule in self._product.loaded.rules},
        }

    async def change_sending(self, wish: SendingWish) -> dict[str, Any]:
        file = self._product.settings
        try:
            file.write(with_sending(file.path.read_text(), wish.mode, wish.allow))
        except SettingsError as error:
            raise InvalidInput("invalid_settings", str(error)) from None
        await file.tell(self._product.log, self._product.clock, "")
        return await self.sending()

    async def keys(self) -> dict[str, Any]:
        listed = await self._product.keys.listed()
        return {"keys": [{"name": name, "scope": scope, "revoked": revoked} for name, scope, revoked in listed]}

    async def make_key(self, wish: KeyWish) -> dict[str, Any]:
        return {
            "name": wish.name,
            "scope": wish.scope,
            "secret": await self._product.keys.create(wish.name, wish.scope),
        }

    async def revoke_key(self, name: str) -> dict[str, Any]:
        await self._product.keys.revoke(name)
        return {"name": name}

    async def events(self, topics: str = ",".join(TOPICS), since: int = 0, latest: int = 0) -> StreamingResponse:
        """Stored records as NDJSON: topic, partition, offset, append time, record. `latest`: only so many per partition."""
        wanted = [topic for topic in topics.split(",") if topic]
        if unknown := [topic for topic in wanted if topic not in TOPICS]:
            raise InvalidInput("no_such_topic", f"there is no topic {unknown[0]}; there are: {', '.join(TOPICS)}")
        return StreamingResponse(self._lines(wanted, since, latest), media_type="application/x-ndjson")

    async def _lines(self, topics: list[str], since: int, latest: int) -> AsyncIterator[bytes]:
        log = self._product.log
        for topic in topics:
            for partition in range(log.partitions):
                end = await log.end(topic, partition)
                offset = max(since, end - latest if latest else 0)
                while records := await log.read(topic, partition, offset, PAGE):
                    for stored in records:
                        yield _line(stored)
                    offset = records[-1].offset + 1


def _line(stored: Stored) -> bytes:
    head = {"topic": stored.topic, "partition": stored.partition, "offset": stored.offset, "appended": stored.appended}
    return msgspec.json.encode({**head, "record": msgspec.Raw(stored.value)}) + b"\n"
