"""`tactful smoke`: one message to oneself, through everything."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from tactful.decisions import Reason
from tactful.errors import TactfulError
from tactful_console.fixes import fix
from tactful_console.wording import SHUT
from tactful_workbench.commands.options import HERE, Data, Json, show
from tactful_workbench.office import office, told

CANARY: Final = "tactful-canary"  # the customer whom the message is for
LOOK: Final = 0.05  # seconds between two looks


def smoke(
    to: Annotated[str, typer.Option(help="An address of your own; it has to be on the allow-list, if there is one.")],
    url: Annotated[str, typer.Option(envvar="TACTFUL_INGEST_URL", help="The door, if it is not this process's.")] = "",
    within: Annotated[float, typer.Option(min=1, help="Seconds after which it has failed.")] = 30.0,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Post an event and wait until its message has left: event, rule, gates, provider. Exit code 1 if it does not arrive."""
    answer = asyncio.run(_smoke(data, to, url, within))
    steps = [f"event accepted {answer['accepted_ms']} ms"]
    if answer["asked_at"]:
        steps.append(f"rule ran {answer['asked_at'] - answer['accepted_at']} ms")
    if answer["decided_at"]:
        steps.append(f"{answer['verdict'].replace('_', ' ')} {answer['decided_at'] - answer['asked_at']} ms")
    show(answer, " → ".join(steps) + f"\n{_told(answer, within)}", as_json)
    if answer["verdict"] != "sent":
        raise typer.Exit(1)


def _told(answer: dict[str, Any], within: float) -> str:
    if answer["verdict"] == "sent":
        return f"ok: one message, once.  message {answer['message_id']}"
    if answer["decided_at"]:
        reason = Reason(answer["reason"])
        mend = fix(reason, customer=CANARY, rule="canary", channel="email", purpose="service.canary")
        return f"failed: {SHUT[reason][-1]}. {mend or f'`tactful explain {CANARY}` says more'}"
    if not answer["asked_at"]:
        return f"failed: no rule asked for it within {within:g} s; does trigger run, and is [rules.canary] on?"
    if answer["stopped_by"]:
        return f"failed: all sending is stopped by {answer['stopped_by']}. `tactful resume` lets it go on"
    undecided = f"failed: it was asked for and has neither left nor been refused within {within:g} s"
    return f"{undecided}: dispatch holds it, or does not run. `tactful explain {CANARY}` says which, and `tactful doctor` the mend"


async def _smoke(data: Path, to: str, url: str, within: float) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(_door_at(url, within)) if url else None
        client = await stack.enter_async_context(office(data))
        door = outside or client
        key = client.headers["Authorization"].removeprefix("Bearer ")
        event, began = f"canary-{uuid.uuid4().hex}", time.monotonic()
        known = {"userId": CANARY, "traits": {"email": to}}
        canary = {"userId": CANARY, "event": "Canary Sent", "messageId": event, "properties": {}}
        for path, call in (("/v1/identify", known), ("/v1/track", canary)):
            try:
                answer = await told(await door.post(path, json=call, auth=(key, "")))
            except httpx.HTTPError as error:
                raise TactfulError(f"the door at {url or 'the server'} does not answer: {error}") from None
            if answer.get("rejected"):
                raise TactfulError("the door refused the event: see `tactful events tail --quarantine`")
        accepted = round(1000 * (time.monotonic() - began))
        while True:
            found = await told(await client.get(f"/admin/events/{event}/trace", params={"customer": CANARY}))
            if found["decided_at"] or time.monotonic() - began > within:
                stopped_by = "" if found["decided_at"] else (await told(await client.get("/admin/stop")))["by"]
                return {**found, "accepted_ms": accepted, "stopped_by": stopped_by}
            await asyncio.sleep(LOOK)


def _door_at(url: str, within: float) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(base_url=url, timeout=within)
    except httpx.InvalidURL as error:
        raise TactfulError(f"--url {url} is no address of a door: {error}") from None
