"""`tactful customer`: who somebody is, a copy of everything about them, and their erasure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tactful.errors import TactfulError
from tactful_workbench.commands.options import HERE, Data, Json, show, user
from tactful_workbench.office import get, post, segment

app = typer.Typer(no_args_is_help=True, help="What is kept about one customer.")


@app.command()
def find(
    text: Annotated[str, typer.Argument(help="The beginning of an id, or a whole address that was written to.")],
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Customers by id, or by an e-mail address or phone number to which a message was sent. Exit code 1 if nobody fits."""
    answer = get(data, "/admin/customers", text=text)
    show(
        answer,
        "\n".join(answer["customers"]) or "nobody fits; an address is known once a message was sent to it",
        as_json,
    )
    if not answer["customers"]:
        raise typer.Exit(1)


@app.command()
def export(
    customer: str,
    to: Annotated[Path | None, typer.Option(help="File to write; standard output if none is given.")] = None,
    data: Data = HERE,
) -> None:
    """Everything that is kept, as JSON: what is known, what happened, what was said and sent, and why."""
    told = get(data, f"/admin/customers/{segment(customer)}/export", by=user())
    copy = json.dumps(told, ensure_ascii=False, indent=1)
    if to is None:
        typer.echo(copy)
        return
    try:
        to.touch(mode=0o600)
        to.write_text(copy + "\n", encoding="utf-8")
    except OSError as error:
        raise TactfulError(f"{to} cannot be written: {error.strerror}") from None
    typer.echo(f"{to}: everything about {customer}")


@app.command()
def reopen(
    customer: str,
    channel: Annotated[str, typer.Argument(help="email, sms, ...")],
    why: Annotated[str, typer.Option(help="How you know that it works again.")],
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Write to an address again that a provider has called dead. What its owner has stopped or reported as spam stays shut."""
    wish = {"channel": channel, "by": user(), "why": why}
    answer = post(data, f"/admin/customers/{segment(customer)}/reopen", wish)
    show(answer, f"{customer}: {channel} is written to again; it was shut: {answer['was']}", as_json)


@app.command()
def erase(
    customer: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Forget a customer under every name: timers, held messages, journals, history, consent, copies of messages."""
    if not yes and typer.prompt(f"This cannot be undone. Type the customer's id to erase {customer}") != customer:
        typer.echo("nothing was erased")
        raise typer.Exit(1)
    answer = post(data, f"/admin/customers/{segment(customer)}/erase", {})
    clean = f"The log itself is clean on {answer['log_clean_on']}; back-ups that you keep are yours to mind."
    gone_since = answer.get("gone_since")  # a server that was not started anew since the upgrade does not say
    erased = f"was erased on {gone_since} already, and nothing had come back" if gone_since else "is erased"
    show(answer, f"{customer} {erased}. {clean}", as_json)
