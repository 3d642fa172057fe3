"""`tactful demo`: a year of a real shop in under a minute."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tactful_workbench.commands.options import Json
from tactful_workbench.commands.options import show as say


def demo(
    data: Annotated[Path, typer.Option(file_okay=False, help="Folder of the demo alone, which is filled anew.")] = Path(
        ".tactful/demo"
    ),
    seed: Annotated[int, typer.Option(help="Another seed makes up another year.")] = 1,
    as_json: Json = False,
) -> None:
    """Post a year of real orders through a real socket in virtual time, and say what came of it."""
    from tactful_workbench.demo.show import in_words, show

    figures = asyncio.run(show(data, seed, as_json))
    say(figures, in_words(figures, data), as_json)
