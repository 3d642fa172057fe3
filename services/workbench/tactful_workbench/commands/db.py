"""`tactful db`: the databases of many machines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tactful.partitions.gap import Gap
from tactful_workbench.commands.options import HERE, Data, Json, Kafka, Postgres, show
from tactful_workbench.process.collecting import loading

app = typer.Typer(no_args_is_help=True, help="The databases of many machines: their schema, a restore, a loss, a move.")


@app.command()
def upgrade(postgres: Postgres, as_json: Json = False) -> None:
    """Bring the schema up to date. The version before it goes on working."""
    from tactful.postgres import upgrade as upgrade_all

    went = asyncio.run(upgrade_all(postgres, partial(typer.echo, err=True)))
    show([{"before": before, "after": after} for before, after in went], "\n".join(map(schema_told, went)), as_json)


@app.command()
def settle(kafka: Kafka, postgres: Postgres, data: Data = HERE, as_json: Json = False) -> None:
    """After a restore from the past: take from the log what the database has forgotten, so that dispatch may go on. Stop every
    dispatch first."""
    told = asyncio.run(_settle(kafka, postgres, data))
    lines = [f"partition {partition}: {_counted(counts)}" for partition, counts in told.items()]
    show(told, "\n".join([*lines, "dispatch may be started"]), as_json)


@app.command("accept-loss")
def accept_loss(
    place: Annotated[
        str, typer.Argument(help="The partition that stops: events/3 (of trigger) or dispatch/3 (of dispatch).")
    ],
    kafka: Kafka,
    postgres: Postgres,
    data: Data = HERE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Go on behind records that the log has lost before anybody read them. Stop every process of the service first."""
    agreed = []

    def agree(gap: Gap) -> bool:
        lost = f"{_lost(place, gap)}. Nobody knows what they said: opt-outs, orders and complaints among them have to be posted again."
        agreed.append(yes or typer.confirm(f"{lost}\nGo on without them?"))
        return agreed[-1]

    gap = asyncio.run(_accept(place, agree, kafka, postgres, data))
    words = (
        f"nothing is missing where {place} is read on"
        if not agreed
        else f"{_lost(place, gap)}; {place} goes on without them"
        if agreed[-1]
        else "nothing was changed"
    )
    show({**gap._asdict(), "accepted": any(agreed)}, words, as_json)
    raise typer.Exit(1 if agreed == [False] else 0)


@app.command()
def move(
    kafka: Kafka,
    postgres: Postgres,
    to: Annotated[
        str, typer.Option(help="The list from now on, separated by blanks; the first database stays the first.")
    ],
    as_json: Json = False,
) -> None:
    """Spread trigger's partitions over other databases than before. Stop every trigger first; if it is interrupted, run it again."""
    from tactful_workbench.cluster.moving import move as move_all

    moved = asyncio.run(move_all(kafka, postgres, to, lambda line: None if as_json else print(line, flush=True)))
    text = f"set TACTFUL_POSTGRES to the new list and start the services anew: {len(moved)} partitions have moved"
    show([{"partition": number, **copied._asdict()} for number, copied in moved.items()], text, as_json)


async def _accept(place: str, agree: Callable[[Gap], bool], kafka: str, postgres: str, data: Path) -> Gap:
    with loading():
        from tactful.log.kafka import KafkaHints, broker
        from tactful.postgres.leasing import DatabaseTime
        from tactful.records import DISPATCH
        from tactful_workbench.cluster.ground import Site, ground
        from tactful_workbench.operating.accepting import Accepting

    async with (
        ground(Site(kafka, postgres, data, command=True)) as here,
        KafkaHints.open(broker(kafka), DISPATCH, here.log.partitions) as hints,
    ):
        time = DatabaseTime(here.database)
        return await Accepting(here.log, here.trigger, here.dispatch, time, here.owner, hints).loss(place, agree)


def _lost(place: str, gap: Gap) -> str:
    own = [f"offsets {gap.start:,} to {gap.end - 1:,} of {place}"] if gap.end > gap.start else []
    if gap.end < gap.start:
        anew = f"it was made anew or cut off before offset {gap.start:,}, and is read on at {gap.end:,}"
        own = [f"what nobody had read of {place}: {anew}"]
    others = [f"records {first:,} to {last:,} from {name}" for name, (first, last) in sorted(gap.missing.items())]
    return f"lost: {', '.join([*own, *others])}"


async def _settle(kafka: str, postgres: str, data: Path) -> dict[int, dict[str, int]]:
    with loading():
        from tactful.log.kafka import KafkaHints, broker
        from tactful.postgres.leasing import DatabaseTime
        from tactful.records import DISPATCH
        from tactful_dispatch.restoring import Reader, Restoration
        from tactful_trigger.store import cursors
        from tactful_workbench.cluster.ground import Site, ground

    async with (
        ground(Site(kafka, postgres, data, command=True)) as here,
        KafkaHints.open(broker(kafka), DISPATCH, here.log.partitions) as hints,
    ):
        time = DatabaseTime(here.database)
        restoration = Restoration(here.log, here.dispatch, here.addresses, hints, time, here.owner)
        known = await cursors(here.trigger, here.log.partitions)
        readers = {cursor.partition: Reader(cursor.offset, cursor.taken) for cursor in known}
        return {partition: dict(counts) for partition, counts in (await restoration.run(readers)).items()}


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in sorted(counts.items())) or "nothing was forgotten"


def schema_told(went: tuple[str, str]) -> str:
    """What `upgrade` has done to a schema, in words."""
    before, after = went
    return (
        f"the schema is at {after} already"
        if before == after
        else f"the schema went from {before or 'nothing'} to {after}"
    )
