"""`tactful serve all`: a small shop in one process and one file. `serve ingest|trigger|dispatch|console`: one service of many
machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tactful_workbench.commands.options import HERE, Data, Kafka, Port, Postgres, Rules, Templates
from tactful_workbench.process.collecting import loading
from tactful_workbench.shop.folders import RULES, TEMPLATES

app = typer.Typer(no_args_is_help=True, help="Serve a shop.")

Smtp = Annotated[
    str, typer.Option(envvar="TACTFUL_SMTP_URL", help="smtp://user:password@host:587, smtps://, smtp+plain://")
]
Sms = Annotated[
    str, typer.Option(envvar="TACTFUL_SMS_URL", help="twilio://ACCOUNT:TOKEN@api.twilio.com?from=+34600111222")
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
MOST: Final = 64  # workers
MetricsPort = Annotated[
    int, typer.Option(min=1, max=65536 - MOST, help="Port for Prometheus; a second worker has the next one.")
]
Workers = Annotated[int, typer.Option(min=1, max=MOST, help="Processes: one a core.")]


@app.command("all")
def serve_all(
    data: Data = HERE,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    smtp: Smtp = "",
    sms: Sms = "",
    rules: Rules = RULES,
    templates: Templates = TEMPLATES,
) -> None:
    """Everything in one process over one SQLite file. As shipped, nobody is written to: see `tactful sending`."""
    with loading():
        from tactful_workbench.embedded.banner import shop_banner
        from tactful_workbench.embedded.product import Plan
        from tactful_workbench.embedded.serving import run_server

    run_server(Plan(data, rules=rules, templates=templates, smtp=smtp, sms=sms), host, port, shop_banner)


@app.command("ingest")
def serve_ingest(
    kafka: Kafka,
    postgres: Postgres,
    data: Data = HERE,
    host: Host = "0.0.0.0",
    port: Port = 8080,
    metrics_port: MetricsPort = 9080,
    workers: Workers = 1,
) -> None:
    """The door: events over HTTP into Kafka."""
    _run("ingest", kafka, postgres, data, (host, port, metrics_port, workers))


@app.command("trigger")
def serve_trigger(
    kafka: Kafka,
    postgres: Postgres,
    data: Data = HERE,
    rules: Rules = RULES,
    host: Host = "0.0.0.0",
    port: Port = 8081,
    metrics_port: MetricsPort = 9081,
    workers: Workers = 1,
) -> None:
    """Rules over each customer's events and time; takes its share of the partitions."""
    _run("trigger", kafka, postgres, data, (host, port, metrics_port, workers), rules=rules)


@app.command("dispatch")
def serve_dispatch(
    kafka: Kafka,
    postgres: Postgres,
    data: Data = HERE,
    smtp: Smtp = "",
    sms: Sms = "",
    templates: Templates = TEMPLATES,
    host: Host = "0.0.0.0",
    port: Port = 8082,
    metrics_port: MetricsPort = 9082,
    workers: Workers = 1,
) -> None:
    """Consent, tact and channels; also the pages for customers and what providers call back."""
    _run(
        "dispatch", kafka, postgres, data, (host, port, metrics_port, workers), smtp=smtp, sms=sms, templates=templates
    )


@app.command("console")
def serve_console(
    kafka: Kafka,
    postgres: Postgres,
    data: Data = HERE,
    rules: Rules = RULES,
    host: Host = "127.0.0.1",
    port: Port = 8083,
    metrics_port: MetricsPort = 9083,
) -> None:
    """Pages for operators, and what the other commands talk to."""
    _run("console", kafka, postgres, data, (host, port, metrics_port, 1), rules=rules)


def _run(name: str, kafka: str, postgres: str, data: Path, place: tuple[str, int, int, int], **more: Any) -> None:
    with loading():
        from tactful_workbench.cluster.ground import Site
        from tactful_workbench.cluster.service import maker
        from tactful_workbench.cluster.serving import Place, run_service

        make = maker(name)
    if code := run_service(name, make, Site(kafka, postgres, data, **more), Place(*place)):
        raise typer.Exit(code)
