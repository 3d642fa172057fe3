"""How commands reach Tactful: the running server named in `<data>/server.json`, or the file itself, under its lock, or the
servers that `TACTFUL_KAFKA` and `TACTFUL_POSTGRES` name.

Either way they speak the same HTTP to the same routes (`tactful_workbench.admin`).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from tactful.errors import TactfulError
from tactful_workbench.embedded.serverfile import ServerFile
from tactful_workbench.process.collecting import loading
from tactful_workbench.shop.folders import RULES, TEMPLATES

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tactful_workbench.cluster.ground import Site
    from tactful_workbench.settings.file import SettingsFile

PATIENCE: Final = 20.0  # seconds: one that is flooded takes a few, and the red button is for it too


@asynccontextmanager
async def office(data: Path, sends: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """A client for the routes under `/admin` and at the door. `sends`: messages leave meanwhile, so that settings and templates have to
    be whole. Raises TactfulError if nothing can be reached."""
    server = ServerFile.read(data)
    if server is not None and await answers(server):
        reached = _over_the_network(server)
    elif "TACTFUL_KAFKA" in os.environ and "TACTFUL_POSTGRES" in os.environ:
        reached = _over_the_servers(data)
    else:
        reached = _over_the_file(data, sends)
    async with reached as client:
        yield client


@asynccontextmanager
async def _over_the_network(server: ServerFile) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(server.url, server.token) as client:
        try:
            yield client
        except httpx.TransportError:
            raise TactfulError(f"the server at {server.url} went away before it had answered; try again") from None


@asynccontextmanager
async def _over_the_servers(data: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Of many machines: the same routes, in this process, over the servers that the environment names."""
    with loading():
        from tactful_ingest.app import routes
        from tactful_workbench.admin import admin_app
        from tactful_workbench.cluster.console import Headquarters
        from tactful_workbench.cluster.ground import ground
        from tactful_workbench.cluster.ingest import door

    async with ground(site_of(os.environ, data)) as here:
        _tell_fault(here.settings)
        app = admin_app(Headquarters(here))
        app.router.routes.extend(routes(door(here)))
        async with _client("http://cluster", here.token, app) as client:
            yield client


@asynccontextmanager
async def _over_the_file(data: Path, sends: bool) -> AsyncIterator[httpx.AsyncClient]:
    """Of one file that no server has: the same routes, in this process, under the file's lock."""
    with loading():
        from tactful_workbench.embedded.product import Plan, opened
        from tactful_workbench.embedded.web import web

    plan = Plan(data, dev=(data / "dev.db").exists(), rules=RULES, templates=TEMPLATES, command=not sends)
    if not plan.file.exists():
        raise TactfulError(
            f"nothing runs on {data} and there is no database in it; start `tactful dev`, or a shop's `tactful serve all`, or name "
            f"the folder with --data{_half_named()}"
        )
    async with (
        opened(plan) as product,
        _client("http://file", product.token, web(product, "tactful")) as client,
    ):
        _tell_fault(product.settings)
        yield client


def _client(url: str, token: str, app: FastAPI | None = None) -> httpx.AsyncClient:
    """Bears the token to whoever listens at `url`, or to an application in this process."""
    return httpx.AsyncClient(
        transport=None if app is None else httpx.ASGITransport(app),
        base_url=url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=600,
        trust_env=False,
    )


def site_of(environment: Mapping[str, str], data: Path) -> Site:
    """The deployment of many machines that the environment names."""
    from tactful_workbench.cluster.ground import Site

    kafka, postgres = environment["TACTFUL_KAFKA"], environment["TACTFUL_POSTGRES"]
    return Site(kafka, postgres, data, rules=RULES, templates=TEMPLATES, command=True)


def _tell_fault(settings: SettingsFile) -> None:
    """On the way of a command that does something else."""
    if fault := settings.fault():
        print(f"{fault}\nuntil that is mended, the settings that were told before count", file=sys.stderr)


async def answers(server: ServerFile, patience: float = PATIENCE) -> bool:
    """Whether it still runs: one that was killed has left its file behind. Raises TactfulError if it is there and silent, for
    then the file is not ours either."""
    try:
        async with httpx.AsyncClient(timeout=patience, trust_env=False) as client:
            return (await client.get(f"{server.url}/livez")).is_success
    except httpx.ReadTimeout:
        silent = f"the server at {server.url} has not answered for {patience:g} s: it is busy, or stands still"
        raise TactfulError(
            f"{silent}. Try again; if it must stop, end process {server.pid}: what waits is kept"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


async def refuse_while_served(data: Path) -> None:
    """Raises TactfulError while a server answers for the folder, which somebody is about to delete from."""
    server = ServerFile.read(data)
    if server is not None and await answers(server):
        raise TactfulError(f"a server is running on this folder (process {server.pid}); stop it first")


def get(data: Path, path: str, **query: Any) -> Any:
    """The JSON of one GET. Raises TactfulError with what the office said is wrong."""
    return asyncio.run(_ask(data, "GET", path, params=query))


def post(data: Path, path: str, body: Any) -> Any:
    """The JSON of one POST. Raises TactfulError with what the office said is wrong."""
    return asyncio.run(_ask(data, "POST", path, json=body))


def segment(name: str) -> str:
    """A customer's id or a key's name as a part of a path, whatever characters it has. Dots alone would lead elsewhere."""
    return quote(name, safe="") if name.strip(".") else "%2E" * len(name)


async def told(response: httpx.Response) -> Any:
    """The JSON of a good answer. Raises TactfulError with the message of a bad one."""
    if response.is_success:
        try:
            return response.json()
        except ValueError:
            raise TactfulError(
                f"{response.url} is answered by somebody else, without JSON; is the address right?"
            ) from None
    try:
        message = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        message = f"the server answered {response.status_code}"
    raise TactfulError(message)


async def posted(client: httpx.AsyncClient, path: str, body: bytes, tries: int = 1) -> Any:
    """The door's answer to calls of the tracking API. What it puts off, since its log is away or others keep it busy, comes again
    when it says, so many times in all. Raises TactfulError with what it said is wrong."""
    key = client.headers["Authorization"].removeprefix("Bearer ")
    for left in reversed(range(tries)):
        response = await client.post(path, content=body, auth=(key, ""))
        if not left or response.status_code not in (429, 503):
            break
        seconds = int(response.headers.get("retry-after", "30"))
        print(f"the door takes nothing now; posting goes on in {seconds} s", file=sys.stderr)
        await asyncio.sleep(seconds)
    return await told(response)


def call_text(call: dict[str, Any]) -> bytes:
    """JSON, but for what the call itself holds that is none (NaN, half a character): the door keeps that with the reason."""
    return json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


async def _ask(data: Path, method: str, path: str, **more: Any) -> Any:
    moves = path.startswith("/dev/")
    async with office(data, sends=moves) as client:
        response = await client.request(method, path, **more)
        if response.status_code == 404 and moves:
            raise TactfulError("time passes by itself here; only `tactful dev` has a clock to move")
        return await told(response)


def _half_named() -> str:
    """What to add where the environment names Kafka or PostgreSQL, and not the other one."""
    missing = [name for name in ("TACTFUL_KAFKA", "TACTFUL_POSTGRES") if name not in os.environ]
    return f"; of many machines, {missing[0]} is not set" if len(missing) == 1 else ""
