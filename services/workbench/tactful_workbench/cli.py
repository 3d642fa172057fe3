"""One command, `tactful`. Subcommands are found by the entry point group `tactful.commands` and loaded only when used."""

from __future__ import annotations

import codecs
import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from io import TextIOWrapper
from types import FrameType
from typing import Final

import typer

from tactful.errors import TactfulError
from tactful_workbench.process.collecting import loading

INTERRUPTED: Final = 130  # exit code
AS_IN_JSON: Final = "as in JSON"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, that of this process if no other is given. A named error is printed as it is, without a traceback; the
    exit code is 1."""
    if arguments is None:
        signal.signal(signal.SIGTERM, _end)
    given = sys.argv[1:] if arguments is None else list(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        codecs.register_error(AS_IN_JSON, _escaped)
        sys.stdout.reconfigure(errors=AS_IN_JSON)  # what a terminal cannot show is no reason to end
    try:
        _app(given[:1])(given, prog_name="tactful")
    except TactfulError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:  # while the command is loaded: later typer ends it in the same way
        sys.exit(INTERRUPTED)
    except UnicodeEncodeError as error:
        print(f"{error.object!r} is not in UTF-8; type it in a terminal that is", file=sys.stderr)
        sys.exit(1)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What an output cannot show, as JSON escapes it (`\\u00e9`), so that `--json` stays JSON in any terminal."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _end(number: int, frame: FrameType | None) -> None:
    """As any process does by default, but for the first one of a container, which would not hear. A server that has something to put
    away takes its place."""
    os._exit(128 + number)


def _app(wanted: list[str]) -> typer.Typer:
    """Everything for `--help`, else only the subcommand that is wanted. An entry point names a function or a Typer."""
    app = typer.Typer(
        name="tactful",
        help="The right message at the right moment, only with consent, always explained.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    points = {point.name: point for point in sorted(entry_points(group="tactful.commands"))}
    for name, point in points.items():
        if wanted and wanted[0] in points and wanted[0] != name:
            continue
        with loading():
            command = point.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    app.callback()(_root)
    return app


def _root() -> None:
    """The right message at the right moment, only with consent, always explained."""
