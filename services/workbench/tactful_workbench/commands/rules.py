"""`tactful rules`: what is loaded, what is broken, and what operators do with rules."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated, Any

import typer

from tactful.durations import spoken
from tactful.errors import TactfulError
from tactful.shares import percent
from tactful_console.standings import foreseen, share, times
from tactful_console.telling import why_not_started
from tactful_workbench.commands.options import HERE, Data, Json, Rules, show
from tactful_workbench.office import get, post, segment
from tactful_workbench.process.collecting import loading
from tactful_workbench.shop.folders import RULES

app = typer.Typer(no_args_is_help=True, help="The rules that run here.")


@app.command("list")
def list_rules(data: Data = HERE, as_json: Json = False) -> None:
    """Every rule with its version, mode, origin and results; what is left of rules that are installed no more; broken plugins with
    file, line and mend."""
    answer = get(data, "/admin/rules")
    lines = []  # a server that was not started anew since the upgrade says less
    for rule in answer["rules"]:
        standing = "  " + rule["standing"].upper() if rule["standing"] else ""
        standing += f" ({rule['why']})" if rule["why"] else ""
        part = f" for {percent(rule['rollout'])}" if rule["mode"] == "live" and rule["rollout"] < 1 else ""
        parked = f", {rule['parked']} parked" if rule.get("parked") else ""
        lines.append(
            f"{rule['name']} v{rule['version']}  {rule['mode']}{part}{standing}"
            f"  {rule['live_runs']} live runs{parked}  from {rule['origin']}"
        )
        if rule["forecast"] and (rule["mode"] == "shadow" or part):
            lines.append(f"    to everybody it {_foreseen_of(rule['forecast'])}")
        lines += _results(rule["results"])
    lines += [
        f"{rule['name']}  NOT INSTALLED{'  ' * bool(rule['standing'])}{rule['standing'].upper()}  {rule['live_runs']} live runs"
        for rule in answer.get("absent", ())
    ]
    lines += [f"{broken['name']}  BROKEN  {broken['message']}" for broken in answer["broken"]]
    lines += answer.get("slips", ())
    show(answer, "\n".join(lines) or "no rules are loaded", as_json)


def _foreseen_of(forecast: dict[str, Any]) -> str:
    return foreseen(forecast["contacts"], forecast["days"])


def _results(told: dict[str, Any]) -> list[str]:
    """Whether the rule helps: nothing as long as nobody was written to."""
    if not told["sent"]:
        return []
    sent = told["sent"]
    objected = f"    opted out {share(told['opted_out'], sent)}, reported as spam {share(told['complained'], sent)}"
    if told["goal_within"] is None:
        return [f"    wrote {times(sent)}", objected]
    within = spoken(told["goal_within"])
    reached = share(told["sent_reached"], sent)
    lines = [f"    wrote {times(sent)}, of which {reached} reached the goal within {within}", objected]
    if told["difference"] is not None:
        low, high = (100 * bound for bound in told["difference"])
        verdict = "too few to decide" if low <= 0 <= high else "more than chance"
        written, held_out = _reached(told, "first_sent"), _reached(told, "first_held_out")
        compared = f"of customers the first time: written to {written}; held out {held_out}"
        lines += [f"    {compared}; difference {low:+.1f} to {high:+.1f} points: {verdict}"]
    return lines


def _reached(told: dict[str, Any], arm: str) -> str:
    return f"{told[arm]:,}, of which {share(told[f'{arm}_reached'], told[arm])}"


@app.command()
def check(
    live: Annotated[
        bool, typer.Option("--live", help="Replay every live run of the shop against these rules.")
    ] = False,
    park: Annotated[int, typer.Option(min=0, help="So many runs may not go on.")] = 0,
    rules: Rules = RULES,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Whether the rules of this program and folder load, and with --live whether runs under way would go on with them.
    Exit code 1 if not. Nothing changes."""
    with loading():
        from tactful.plugins import load_plugins
        from tactful_trigger.projections import SHIPPED
        from tactful_trigger.rulebook import Rulebook
        from tactful_workbench.checking import check_live
        from tactful_workbench.doctor.almost import slips

    loaded = load_plugins(rules).beside(SHIPPED)
    found = slips(loaded)
    lines = [*(f"{broken.name}  BROKEN  {broken.message}" for broken in loaded.broken), *found]
    answer: dict[str, Any] = {
        "rules": len(loaded.rules),
        "broken": [broken._asdict() for broken in loaded.broken],
        "slips": found,
    }
    lines.append(f"{len(loaded.rules)} rules loaded, {len(loaded.broken)} broken")
    misfits = 0
    if live:
        told = asyncio.run(check_live(data, Rulebook(loaded.rules, loaded.projections))).as_json()
        misfits = told["live_runs"] - told["fit"]
        lines += _checked(told)
        answer |= told
    show(answer, "\n".join(lines), as_json)
    if loaded.broken or misfits > park:
        raise typer.Exit(1)


def _checked(told: dict[str, Any]) -> list[str]:
    """How many runs would go on, and which would not, and why."""
    count = told["live_runs"] - told["fit"]
    lines = [
        f"{told['fit']:,} of {told['live_runs']:,} live runs would go on{f'; {count:,} would not' if count else ''}"
    ]
    for misfit in told["misfits"]:
        customers = ", ".join(misfit["customers"]) + (" …" if misfit["runs"] > len(misfit["customers"]) else "")
        of = f" of {misfit['rule']} v{misfit['version']}" if misfit["rule"] else ""
        lines.append(f"    {misfit['runs']:,}{of}: {misfit['why']} ({customers})")
    return lines


@app.command()
def pause(rule: str, data: Data = HERE, as_json: Json = False) -> None:
    """Nothing of the rule moves: nothing begins, and what falls due waits for `resume`."""
    text = f"{rule} is paused; what falls due waits for `tactful rules resume {rule}`"
    show(_tell(data, rule, "pause"), text, as_json)


@app.command()
def drain(rule: str, data: Data = HERE, as_json: Json = False) -> None:
    """What runs goes on to its end, nothing begins."""
    show(_tell(data, rule, "drain"), f"{rule} begins nothing any more; what runs goes on", as_json)


@app.command()
def resume(rule: str, data: Data = HERE, as_json: Json = False) -> None:
    """After `pause`, `drain` or `cancel`, or once a rule is mended that has failed: parked runs are tried again."""
    answer = _tell(data, rule, "resume")
    retried = f"; what was parked for {answer['retried']:,} customers is tried again" if answer["retried"] else ""
    show(answer, f"{rule} goes on{retried}", as_json)


@app.command()
def cancel(
    rule: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """End all runs of the rule, messages that wait included, and begin nothing any more."""
    if not yes and not typer.confirm(f"End every run of {rule} and take back what waits?"):
        typer.echo("nothing was ended")
        raise typer.Exit(1)
    answer = _tell(data, rule, "cancel")
    show(answer, f"{rule}: the runs of {answer['cancelled']} customers end; nothing begins before `resume`", as_json)


@app.command()
def rollout(
    rule: str,
    share: Annotated[str, typer.Argument(help="Of customers: 1%, 10%, 100%; 0% is shadow.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Let a rule write to a share of customers, chosen by hash: a larger share keeps those of a smaller one."""
    wanted = _percent(share)
    known = get(data, "/admin/rules", counted=False) if wanted else {"rules": []}
    if (told := next((told for told in known["rules"] if told["name"] == rule), None)) is not None:
        for line in () if as_json else _prospect(told, known["guard"], wanted):
            typer.echo(line)
        if not yes and not typer.confirm(f"Let {rule} write to {percent(wanted)} of customers?"):
            typer.echo("nothing was changed")
            raise typer.Exit(1)
    answer = post(data, f"/admin/rules/{segment(rule)}/rollout", {"share": wanted})
    told = (
        f"writes to {percent(wanted)} of customers" if wanted else "stands in shadow: it decides, and writes to nobody"
    )
    show(answer, f"{rule} {told}", as_json)


def _prospect(told: dict[str, Any], guard: dict[str, Any], portion: float) -> list[str]:
    """What a share of customers means, and when the rule takes itself back."""
    name, forecast = told["name"], told["forecast"]
    unwanted = f"more than {percent(guard['opt_outs'])} opt out, or {percent(guard['spam_reports'])} report it as spam"
    if forecast is None:
        foretold = f"{name} has not run for a whole day yet: to how many people it will write is not known"
    else:
        a_day = portion * forecast["contacts"] / forecast["days"]
        foretold = (
            f"To everybody, {name} {_foreseen_of(forecast)}; "
            f"to {percent(portion)} of customers about {a_day:{',.0f' if a_day >= 10 else '.2g'}} times a day, "
            "less what cooldowns and budgets forbid"
        )
    if portion < 1 and guard["volume"]:
        unwanted += f", or a day brings {guard['volume']:g} times what the week's busiest one would have"
    return [foretold, f"It pauses itself if {unwanted}, of at least {guard['after']} people"]


def _percent(text: str) -> float:
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?) ?%", text.strip())
    if found is None or float(found[1]) > 100:
        raise TactfulError(f"{text!r} is no share of customers; write for example 5%")
    return float(found[1]) / 100


@app.command()
def enrol(
    rule: str,
    since: Annotated[str, typer.Option(help="For what happened within this length of time.")] = "90d",
    per_minute: Annotated[int, typer.Option(min=1, help="So many customers a minute at most.")] = 600,
    go: Annotated[bool, typer.Option("--go", help="Do it; without this they are only counted.")] = False,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Let customers whom an import brought meet a rule, each for the latest thing that it begins with."""
    path = f"/admin/rules/{segment(rule)}/enrol"
    if not go:
        found = post(data, path, {"since": since, "limit": 10_000, "dry_run": True})
        more = "or more " if found["reached"] else ""
        whom = f"{found['customers']:,} {more}customers would meet {rule}, of those who did within {since} what it begins with"
        text = f"{whom} (`--since`); `--go` lets them, {per_minute} a minute"
        show(found, "\n".join([text, *_foreseen(found["foreseen"])]), as_json)
        return
    total, after, lot = 0, "", min(10_000, max(1, per_minute // 6))
    while True:
        found = post(data, path, {"since": since, "after": after, "limit": lot, "dry_run": False})
        total, after = total + found["customers"], found["reached"]
        if not as_json:
            typer.echo(f"{total} enrolled{', up to ' + after if after else ''}")
        if not after:
            break
        time.sleep(60 * found["customers"] / per_minute)
    show({"rule": rule, "enrolled": total}, f"{total} customers have met {rule}", as_json)


def _foreseen(counts: dict[str, int]) -> list[str]:
    """What would become of them: who begins, and why the others do not."""
    others = sorted((reason for reason in counts if reason), key=lambda reason: (-counts[reason], reason))
    return [
        f"    {counts.get('', 0):,} would begin",
        *(f"    {counts[reason]:,} would not: {why_not_started(reason)}" for reason in others),
    ]


def _tell(data: Data, rule: str, wish: str) -> Any:
    return post(data, f"/admin/rules/{segment(rule)}", {"wish": wish})
