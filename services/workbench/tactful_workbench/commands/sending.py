"""`tactful sending`: who may be written to at all."""

from __future__ import annotations

from typing import Annotated

import typer

from tactful.errors import TactfulError
from tactful_workbench.commands.options import HERE, Data, Json, show
from tactful_workbench.office import get, post

app = typer.Typer(no_args_is_help=True, help="Who may be written to. As shipped: nobody outside an allow-list.")


@app.command("show")
def show_sending(data: Data = HERE, as_json: Json = False) -> None:
    """The mode, the allow-list, and which rules are in shadow."""
    answer, standing = get(data, "/admin/sending"), get(data, "/admin/stop")
    why = f" ({standing['why']})" if standing["why"] else ""
    stopped = f"STOPPED by {standing['by']} since {standing['since']}{why}: `tactful resume`\n"
    modes = ", ".join(f"{name} {mode}" for name, mode in sorted(answer["rules"].items()))
    who = (
        f"allow-list {' '.join(answer['allow']) or '(empty)'}"
        if answer["mode"] == "allowlist"
        else "everybody who consents"
    )
    show(
        {**answer, "stopped": standing["stopped"]},
        f"{stopped * standing['stopped']}sending: {who}\nrules: {modes or 'none'}",
        as_json,
    )


@app.command()
def live(
    shop: Annotated[str, typer.Option(help="The shop's name; asked for if it is not given.")] = "",
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Write to everybody who consents. Asks for the shop's name."""
    standing = get(data, "/admin/sending")
    if standing["unfilled"]:
        typer.echo(f"settings.toml still says what ships: [shop] {', '.join(standing['unfilled'])}", err=True)
    name = standing["shop"]
    if (shop or typer.prompt("Type the shop's name to write to everybody who consents")) != name:
        raise TactfulError(f'that is not the shop\'s name; it is called "{name}" in settings.toml. Nothing was changed')
    show(post(data, "/admin/sending", {"mode": "live"}), "sending: everybody who consents", as_json)


@app.command()
def allowlist(addresses: list[str], data: Data = HERE, as_json: Json = False) -> None:
    """Write to these addresses only; patterns like *@myshop.example."""
    answer = post(data, "/admin/sending", {"mode": "allowlist", "allow": addresses})
    show(answer, f"sending: allow-list {' '.join(addresses)}", as_json)
