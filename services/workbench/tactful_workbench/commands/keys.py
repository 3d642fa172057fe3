"""`tactful keys`: who may post events, and who may look at the console."""

from __future__ import annotations

import base64
from math import isfinite
from typing import Annotated, Any

import typer

from tactful.errors import TactfulError
from tactful.keys import OPERATOR
from tactful_workbench.commands.options import HERE, Data, Json, show
from tactful_workbench.office import get, post, segment
from tactful_workbench.shop.secrets import EVERY, WEBHOOK_KEY, secret

app = typer.Typer(no_args_is_help=True, help="Keys of shop backends, browsers and operators.")

SCOPES = {
    "server": "events, identify, consent",
    "browser": "events; never consent, verified addresses or merges",
    OPERATOR: "the console, where it is the password",
}


RATE = "Requests that each process takes of it in a second; none given: as many as there is room for."


def _told(per_second: float | None) -> float | None:
    if per_second is None or isfinite(per_second):
        return per_second
    raise typer.BadParameter(f"{per_second:g} is no rate; for as many as there is room for give none")


@app.command()
def create(
    name: str,
    kind: Annotated[str, typer.Option(help="server, browser or operator")] = "server",
    per_second: Annotated[float | None, typer.Option(help=RATE, callback=_told)] = None,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once; only its hash is kept."""
    answer = post(data, "/admin/keys", {"name": name, "scope": kind, "per_second": per_second})
    show(answer, f"{answer['secret']}      shown once. Scope: {SCOPES[kind]}.", as_json)


@app.command("list")
def list_keys(data: Data = HERE, as_json: Json = False) -> None:
    """Names, scopes, rates, and which are revoked."""
    keys = get(data, "/admin/keys")["keys"]
    show(
        keys,
        "\n".join(f"{key['name']}  {key['scope']}{_rate(key)}{'  revoked' * key['revoked']}" for key in keys)
        or "no keys; make one with `tactful keys create NAME`",
        as_json,
    )


@app.command()
def webhook(data: Data = HERE, as_json: Json = False) -> None:
    """The secret by which the receiver of the channel `webhook` checks that a message is ours (Standard Webhooks)."""
    if not data.is_dir():
        raise TactfulError(
            f"there is no folder {data}, and a secret made up there would be nobody's; name yours with --data"
        )
    value = "whsec_" + base64.b64encode(secret(data, WEBHOOK_KEY)).decode()
    show({"secret": value}, value, as_json)


@app.command()
def secrets(data: Data = HERE, as_json: Json = False) -> None:
    """Make what all services of many machines share, where it is missing, in the folder `secrets`; no server is asked."""
    folder = data / "secrets"
    for name in EVERY:
        secret(data, name)
    lines = [f"{folder}: {', '.join(EVERY)}", "keep a copy off-line: lost ones cannot be made again"]
    show({"folder": str(folder), "secrets": EVERY}, "\n".join(lines), as_json)


@app.command()
def limit(
    name: str,
    per_second: Annotated[float | None, typer.Argument(help=RATE, callback=_told)] = None,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Take so many requests a second of a key, each process for itself; the others are told to come back (429)."""
    answer = post(data, f"/admin/keys/{segment(name)}/limit", {"per_second": per_second})
    often = "as often as there is room" if per_second is None else f"{per_second:g} times a second"
    show(answer, f"{name} may post {often}; where other processes take it, within 30 s", as_json)


@app.command()
def revoke(name: str, data: Data = HERE, as_json: Json = False) -> None:
    """Refuse a key from now on; where other processes take it, within 30 s."""
    answer = post(data, f"/admin/keys/{segment(name)}/revoke", {})
    show(answer, f"{name} is refused from now on; where other processes take it, within 30 s", as_json)


def _rate(key: dict[str, Any]) -> str:
    return "" if key["per_second"] is None else f"  {key['per_second']:g} a second"
