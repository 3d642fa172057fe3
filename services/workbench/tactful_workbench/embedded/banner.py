"""What a server says once it listens."""

from __future__ import annotations

from importlib.metadata import version
from zoneinfo import ZoneInfo

from tactful.localtime import dated, local_time
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.inbound.sms import inbound_url
from tactful_workbench.doctor.almost import slips
from tactful_workbench.doctor.unsent import astray
from tactful_workbench.embedded.product import Product
from tactful_workbench.operating.stopping import Standing
from tactful_workbench.settings.unheard import unheard


def dev_banner(product: Product, url: str) -> str:
    """The first screen of `tactful dev`."""
    zone = product.settings.latest.shop.zone
    now = local_time(product.clock.now(), zone)
    rules = ", ".join(f"{rule.name} v{rule.terms.version}" for rule in product.loaded.rules) or "none"
    lines = [
        f"Tactful {version('tactful')} · development · one process, one file ({product.plan.file}) · nothing leaves this machine",
        f"  post events   {url}/v1/track     keys: dev_server (server)  dev_browser (public)",
        f"  inbox         {url}/inbox        every e-mail, SMS and push lands here",
        f"  console       {url}/console      sample shop  {url}/shop",
        f"  rules         {rules}  ({len(product.loaded.broken)} broken)",
        f"  clock         {now:%a %d %b %Y %H:%M} {zone.key}        tactful dev advance 1h",
    ]
    lines += _amiss(product)
    if product.dev_clock is not None and not product.dev_clock.start_was_used:
        lines.append("  --at          was not used: this file has a clock already; `tactful dev reset` begins anew")
    return "\n".join(lines)


def shop_banner(product: Product, url: str) -> str:
    """The first lines of `tactful serve all`."""
    settings = product.settings.latest
    rules = ", ".join(f"{rule.name} {settings.rule(rule.name).mode}" for rule in product.loaded.rules) or "none"
    lines = [
        f"Tactful {version('tactful')} · {settings.shop.name} · one process, one file ({product.plan.file})",
        f"  post events   {url}/v1/track     make a key: tactful keys create NAME",
        f"  console       {url}/console",
        f"  links         in messages lead to {settings.shop.public_url}",
        f"  e-mail        {'by SMTP' if product.plan.smtp else 'not configured: give --smtp'}",
        f"  SMS           {_texts(product, settings.shop.public_url)}",
        *([f"  webhook       to {settings.webhook.url}"] if settings.webhook.url else []),
        f"  sending       {settings.sending.spoken}",
        f"  rules         {rules}  ({len(product.loaded.broken)} broken)",
    ]
    return "\n".join(lines + _amiss(product))


def stop_line(standing: Standing, zone: ZoneInfo) -> str:
    """The line under the banner while all sending is stopped."""
    since = dated(standing.at, zone)
    why = f" ({standing.why})" if standing.why else ""
    return f"  STOPPED       by {standing.by} since {since}{why}: nothing leaves; `tactful resume` lets it go on"


def _amiss(product: Product) -> list[str]:
    loaded, own = product.loaded, product.plan.templates
    amiss = [f"  BROKEN        {each.name}: {each.message}" for each in loaded.broken]
    amiss += [f"  settings      {text}" for text in unheard(product.settings.latest, loaded.rules)]
    amiss += [f"  rules         {text}" for text in slips(loaded)]
    return amiss + ([f"  templates     {text}" for text in astray(loaded, ContentSet.load(own))] if own else [])


def _texts(product: Product, public_url: str) -> str:
    if not product.plan.sms:
        return "not configured: give --sms"
    gateway = sms_gateway(product.plan.sms)
    return f"from {gateway.sender}; what comes in, the provider posts to {inbound_url(public_url)}"
