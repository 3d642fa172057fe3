"""`tactful stop` and `tactful resume`: the red button, and how sending goes on."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from tactful.durations import ahead
from tactful.errors import TactfulError
from tactful_workbench.commands.options import HERE, Data, Json, show, user
from tactful_workbench.office import get, post

SOON: Final = 5.0  # seconds within which whoever runs has read it
LOOK: Final = 0.2

By = Annotated[str, typer.Option("--by", help="Whose name stands in every explanation.", default_factory=user)]


def stop(
    by: By,
    why: Annotated[str, typer.Option(help="For those who wonder.")] = "",
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Nothing leaves any more. Held messages and timers are kept, events are taken as ever."""
    answer = _wait(data, post(data, "/admin/stop", {"by": by, "why": why}), stopped=True)
    show(answer, stopped_text(answer, by), as_json)


def stopped_text(answer: dict[str, Any], by: str) -> str:
    """What a stop has come to so far."""
    behind = answer["partitions"] - answer["in_force"]
    unread = f"{behind} of {answer['partitions']} partitions have not read it yet"
    late = f"\n{unread}: if they do not within a minute, nothing leaves there either"
    kept = f"{answer['kept']} messages are kept; `tactful resume` lets them go"
    return f"all sending is stopped by {by}\n{kept}{late if behind else ''}"


def resume(
    by: By,
    over: Annotated[str, typer.Option(help="What was kept leaves one after the other, within this length.")] = "30m",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Sending goes on. Each message that was kept is asked about again before it leaves."""
    ahead(over)
    standing = get(data, "/admin/stop", counted=True)
    if not standing["stopped"] and not standing["unread"]:
        raise TactfulError("sending is not stopped; who may be written to is told by `tactful sending show`")
    whole = standing["kept"] + standing["expired"]
    text = f"{whole} held: {standing['kept']} valid, {standing['expired']} expired while stopped."
    if not standing["stopped"]:
        text = f"{standing['unread']} records are not read yet: a stop may be among them."
    if not yes and not typer.confirm(f"{text} Send over {over}?"):
        typer.echo("sending stays stopped")
        raise typer.Exit(1)
    answer = _wait(data, post(data, "/admin/resume", {"by": by, "over": over}), stopped=False)
    show(answer, f"sending goes on; what was kept leaves within {over}", as_json)


def _wait(data: Data, answer: Any, *, stopped: bool) -> Any:
    """Wait, for at most `SOON`, until every dispatch that runs has read it; what stands then, with what is kept."""
    until = time.monotonic() + SOON
    wanted = answer["partitions"] if stopped else 0
    while answer["in_force"] != wanted and time.monotonic() < until:
        time.sleep(LOOK)
        answer = get(data, "/admin/stop")
    return get(data, "/admin/stop", counted=True)
