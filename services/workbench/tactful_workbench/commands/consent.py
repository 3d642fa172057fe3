"""`tactful consent`: grant, withdraw, show, suppress, verify."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tactful.errors import TactfulError
from tactful_ingest.ids import customer_id
from tactful_workbench.commands.options import HERE, Data, Json, show
from tactful_workbench.commands.suppress import suppress
from tactful_workbench.office import get, post, segment

app = typer.Typer(no_args_is_help=True, help="Who allowed what, and the proof of it.")

Channel = Annotated[str, typer.Option(help="email, sms, push, ...; empty for every channel.")]
Source = Annotated[str, typer.Option(help="Where the customer said so.")]


Heads = Annotated[
    Path | None,
    typer.Option(
        help="A file kept elsewhere, with how each chain ended the last time: who can write into the database can forge a "
        "whole chain, but not this one. It is made, and brought up to date once all is found in order."
    ),
]


@app.command()
def grant(
    customer: str,
    purpose: str,
    channel: Channel = "",
    source: Source = "command-line",
    wording: str = "",
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Record that a customer allowed something."""
    _change(customer, purpose, channel, "granted", source, wording, data, as_json)


@app.command()
def withdraw(
    customer: str,
    purpose: Annotated[str, typer.Argument(help="marketing is all of it.")] = "marketing",
    channel: Channel = "",
    source: Source = "command-line",
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Record that a customer wants it no more; effective when this returns."""
    _change(customer, purpose, channel, "withdrawn", source, "", data, as_json)


@app.command("show")
def show_consent(customer: str, data: Data = HERE, as_json: Json = False) -> None:
    """What a customer has allowed and withdrawn, and when they said so. What was said last counts, and stands first."""
    states = get(data, f"/admin/consent/{segment(customer)}")["consents"]
    lines = [
        f"{s['state']:9} {s['purpose']}/{s['channel'] or 'every channel'}  {_by(s)}  "
        f"{datetime.fromtimestamp(s['at'] / 1000, UTC):%Y-%m-%d %H:%M} UTC{'  for one message' * s['once']}"
        for s in sorted(states, key=lambda s: (-s["at"], -s["entry"]))
    ]
    show(states, "\n".join(lines) or f"{customer} has neither allowed nor withdrawn anything", as_json)


app.command()(suppress)


def _by(said: dict[str, Any]) -> str:
    return f"entry #{said['entry']}  {said['via']}" if said["entry"] else "with the address, by others or on a list"


@app.command()
def verify(heads: Heads = None, data: Data = HERE, as_json: Json = False) -> None:
    """Recompute the chain of the consent ledger; exit code 1 if it is broken."""
    chains = get(data, "/admin/consent-ledger", seen=_seen(heads))["partitions"]
    broken = [chain for chain in chains if not chain["whole"]]
    if heads and not broken:
        _keep(heads, [f"{c['partition']}:{c['entries']}:{c['head']}" for c in chains if c["entries"]])
    lines = [
        f"partition {c['partition']}: {c['entries']} entries, "
        + ("whole" if c["whole"] else f"BROKEN at entry {c['broken_at']}")
        for c in chains
    ]
    show(chains, "\n".join(lines), as_json)
    raise typer.Exit(1 if broken else 0)


def _seen(file: Path | None) -> list[str]:
    if file is None or not file.exists():
        return []
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, ValueError) as error:
        raise TactfulError(f"{file} cannot be read: {error}") from None


def _keep(file: Path, heads: list[str]) -> None:
    """Whole or not at all."""
    new = file.with_name(f"{file.name}.new")
    try:
        new.write_text("".join(f"{head}\n" for head in heads), encoding="ascii")
        new.replace(file)
    except OSError as error:
        raise TactfulError(f"{file} cannot be written: {error.strerror}") from None


def _change(
    customer: str, purpose: str, channel: str, state: str, source: str, wording: str, data: Data, as_json: bool
) -> None:
    who = customer_id(customer, "customer")  # as the door has it
    if who is None:
        raise TactfulError(f"whose consent is {state}? Give the customer's id; `tactful customer find` finds one")
    body = {"purpose": purpose, "channel": channel, "state": state, "via": source, "wording": wording}
    answer = post(data, f"/admin/consent/{segment(who)}", body)
    said = f"{who}: {purpose}/{channel or 'every channel'} {state}, entry #{answer['entry']}"
    gone = f"{who} was erased: nobody writes to them, and nothing is kept of them, this included"
    show(answer, said if answer["entry"] else gone, as_json)
