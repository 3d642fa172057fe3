"""Everything that listens, on one port: the door, the pages for customers and operators, and in dev the inbox and clock."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from tactful.errors import InvalidInput
from tactful.telemetry import UNTOLD
from tactful_console.advance import advance_text
from tactful_console.app import create_console
from tactful_console.entrance import is_from_our_page
from tactful_console.moments import Moments
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.inbound import create_contact, create_inbound, create_sms
from tactful_dispatch.public import create_public
from tactful_ingest.app import is_at_the_door, no_such_path
from tactful_ingest.app import routes as door_routes
from tactful_workbench.admin import admin_router
from tactful_workbench.answering import answer_by_name, faults
from tactful_workbench.embedded.advancing import ClockHands
from tactful_workbench.embedded.product import Product
from tactful_workbench.inbox import create_inbox
from tactful_workbench.inbox.nearby import only_from_here
from tactful_workbench.inbox.playing import Playing
from tactful_workbench.inbox.ports import Step, Surroundings
from tactful_workbench.inbox.shop import create_shop
from tactful_workbench.operating.wishes import Wish

_NEARBY: Final = [Depends(only_from_here)]


class Advance(Wish):
    """`{"advance": "1h"}` or `{"to": "message"}`."""

    advance: str = ""
    to: str = ""


def web(product: Product, command: str) -> FastAPI:
    """The whole application. `/dev/*`, the inbox and the sample shop exist in dev alone."""
    routes = door_routes(product.door)  # the busiest come first
    app = FastAPI(routes=routes, openapi_url=None, redirect_slashes=False, telemetry=UNTOLD)

    if product.dev_clock is not None:
        _add_dev(app, product, command)  # whose front page is the inbox
    app.include_router(admin_router(product))
    keys = None if product.plan.dev else product.keys
    console = create_console(
        product.story, product.ruletelling, product.button, product.clock, product.shop, keys, product.readings
    )
    app.include_router(console, dependencies=_NEARBY if product.plan.dev else [])
    app.include_router(create_public(product.desk, product.personal, product.links, product.clock, product.shop))
    app.include_router(create_inbound(product.desk, product.keys, product.links))
    app.include_router(create_contact(product.desk, product.keys))
    if product.plan.sms:
        gateway = sms_gateway(product.plan.sms)
        app.include_router(create_sms(product.desk, product.correspondence, gateway, product.public_url, product.shop))
    answer_by_name(app)
    app.add_exception_handler(HTTPException, _refused)
    return app


def _add_dev(app: FastAPI, product: Product, command: str) -> None:
    assert product.dev_clock is not None
    url = product.public_url()
    hands = ClockHands(product, product.dev_clock, f"{url}/inbox")
    here = Surroundings(url=url, command=command, key="dev_server")
    play = Playing(product.desk)

    inbox = create_inbox(product.shelf, play, hands, product.story, product.shop, here)
    app.include_router(inbox, dependencies=_NEARBY)
    app.include_router(create_shop())
    app.include_router(_dev_router(product, hands), dependencies=_NEARBY)
    app.add_api_route("/", _home, methods=["GET"], response_model=None)


def _dev_router(product: Product, hands: ClockHands) -> APIRouter:
    router = APIRouter(prefix="/dev")

    async def clock() -> dict[str, Any]:
        return {"now": hands.now(), "next_timer": await hands.next_timer()}

    async def move(request: Request) -> JSONResponse:
        if not is_from_our_page(request):
            raise InvalidInput("cross_site", "another site may not move the clock; use the inbox, or the command line")
        wish = _wish(await request.body())  # whatever its content type: people type this into curl
        report = await hands.advance(Step(by=wish.advance, to=wish.to))
        text = advance_text(report, Moments(product.settings.latest.shop.zone))
        return JSONResponse({**msgspec.to_builtins(report), "text": text})

    router.add_api_route("/clock", clock, methods=["GET"])
    router.add_api_route("/clock", move, methods=["POST"], response_model=None)
    return router


def _wish(body: bytes) -> Advance:
    try:
        wish = Advance.model_validate_json(body)
    except ValidationError as error:
        raise InvalidInput("invalid_step", f'{faults(error.errors())}; say {{"advance": "1h"}}') from None
    if bool(wish.advance) == bool(wish.to):
        raise InvalidInput("invalid_step", 'say {"advance": "1h"} or {"to": "message"}')
    return wish


async def _refused(request: Request, error: Exception) -> Response:
    """A client of the door hears what it would hear of the door alone; pages keep their own words."""
    assert isinstance(error, HTTPException)
    if is_at_the_door(request):
        return await no_such_path(request, error)
    return await http_exception_handler(request, error)


async def _home(request: Request) -> RedirectResponse:
    return RedirectResponse("/inbox", 303)
