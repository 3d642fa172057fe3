"""The routes behind the command line: `/admin`, for whoever holds the token in `<data>/server.json`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.convertors import PathConvertor, register_url_convertor

from tactful.telemetry import UNTOLD
from tactful_workbench.admin.bearer import for_the_bearer_of
from tactful_workbench.admin.customers import Customers
from tactful_workbench.admin.deployment import Deployment
from tactful_workbench.admin.keyroutes import KeyRoutes
from tactful_workbench.admin.looking import Looking
from tactful_workbench.admin.rules import Rules
from tactful_workbench.admin.sending import Sending
from tactful_workbench.admin.words import Words
from tactful_workbench.answering import answer_by_name


class _Name(PathConvertor):
    """A part of a path that may be whatever the door takes for an id: with slashes and line breaks too."""

    regex = "(?s:.*)"


register_url_convertor("name", _Name())


def admin_app(product: Deployment) -> FastAPI:
    """The admin routes as an application of their own."""
    app = FastAPI(openapi_url=None, telemetry=UNTOLD)
    app.include_router(admin_router(product))
    answer_by_name(app)
    return app


def admin_router(product: Deployment) -> APIRouter:
    """Every route asks for the token."""
    customers, words, rules = Customers(product), Words(product), Rules(product)
    sending, keys, looking = Sending(product), KeyRoutes(product), Looking(product)
    router = APIRouter(prefix="/admin", route_class=for_the_bearer_of(product.token))
    routes: tuple[tuple[str, str, Callable[..., Awaitable[Any]]], ...] = (
        ("GET", "/customers", customers.find),
        ("GET", "/customers/{customer:name}/explain", customers.explain),
        ("GET", "/customers/{customer:name}/export", customers.export),
        ("POST", "/customers/{customer:name}/erase", customers.erase),
        ("POST", "/customers/{customer:name}/reopen", customers.reopen),
        ("GET", "/consent/{customer:name}", customers.consents),
        ("POST", "/consent/{customer:name}", customers.record_consent),
        ("GET", "/consent-ledger", words.verify_ledger),
        ("POST", "/suppressions", words.suppress),
        ("GET", "/rules", rules.rules),
        ("GET", "/runs", rules.runs),
        ("POST", "/rules/{rule:name}/enrol", rules.enrol),
        ("POST", "/rules/{rule:name}/rollout", rules.roll_out),
        ("POST", "/rules/{rule:name}", rules.conduct),
        ("GET", "/sending", sending.sending),
        ("POST", "/sending", sending.change_sending),
        ("GET", "/doctor", looking.doctor),
        ("GET", "/stop", sending.standing),
        ("POST", "/stop", sending.stop),
        ("POST", "/resume", sending.resume),
        ("GET", "/keys", keys.keys),
        ("POST", "/keys", keys.make_key),
        ("POST", "/keys/{name:path}/limit", keys.limit_key),
        ("POST", "/keys/{name:path}/revoke", keys.revoke_key),
        ("GET", "/events", looking.events),
        ("GET", "/events/{event}/trace", looking.trace),
    )
    for method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method], response_model=None)
    return router
