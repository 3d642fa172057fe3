"""`tactful setup`: topics, schema, secrets and settings of many machines. Again as often as you like."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tactful_workbench.commands.db import schema_told
from tactful_workbench.commands.options import HERE, Data, Json, Kafka, Postgres, show
from tactful_workbench.shop.folders import RULES


def setup(
    kafka: Kafka,
    postgres: Postgres,
    data: Data = HERE,
    partitions: Annotated[int, typer.Option(min=1, help="Of each topic. It can never be changed.")] = 12,
    replication: Annotated[int, typer.Option(min=1, help="Brokers that keep each record.")] = 3,
    as_json: Json = False,
) -> None:
    """Make topics, tables and secrets where they are missing, check them where they are not, and tell the settings."""
    said = asyncio.run(_set_up(kafka, postgres, data, partitions, replication))
    show({"said": said}, "\n".join(said), as_json)


async def _set_up(kafka: str, postgres: str, data: Path, partitions: int, replication: int) -> list[str]:
    from tactful.log.kafka import Shape, broker, set_up
    from tactful.postgres import upgrade
    from tactful_workbench.cluster.ground import Site, ground
    from tactful_workbench.settings.file import known_settings
    from tactful_workbench.shop.secrets import EVERY, secret

    said = await set_up(broker(kafka), Shape(partitions, replication))
    said += [schema_told(went) for went in await upgrade(postgres, partial(typer.echo, err=True))]
    for name in EVERY:
        secret(data, name)
    said.append(f"secrets in {data / 'secrets'}: give every service the same")
    async with ground(Site(kafka, postgres, data, rules=RULES)) as here:
        await here.settings.tell(here.log, here.clock, await known_settings(here.trigger, here.log.partitions))
    said.append(f"settings of {here.settings.path} are in the log")
    return said
