"""The shop's settings: `<data>/settings.toml`, checked when read and appended to the log as a `Settings Changed` broadcast.

Trigger and dispatch read only the record. Every value has a default; lengths of time are written like "16h".
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from itertools import pairwise
from math import isfinite
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo

from tactful.clock import DAY
from tactful.durations import LONGEST, milliseconds
from tactful.errors import InvalidInput, SettingsError
from tactful.hostname import ascii_host
from tactful.localtime import zone_names
from tactful.mailbox import mailbox
from tactful.webhookurl import webhook_place


def _length(text: str) -> str:
    try:
        milliseconds(text)
    except InvalidInput as error:
        raise ValueError(error.message) from None
    return text


def _zone(name: str) -> str:
    if name not in zone_names():
        raise ValueError(f'"{name}" is not an IANA time zone; write it like "Europe/Madrid"')
    return name


T = TypeVar("T")
Length = Annotated[str, AfterValidator(_length)]
Zone = Annotated[str, AfterValidator(_zone)]


_WEB = r"^https?://[^\s/]\S*$"
_FILE: Final = "file"  # where values are read from


def _written(check: Callable[[T], str]) -> AfterValidator:
    """Validates values of the file: `check` says what is wrong with one, or "". Values from the log stand as they are: an older
    program has told them, and nobody could mend them."""

    def validate(value: T, info: ValidationInfo) -> T:
        if info.context == _FILE and (wrong := check(value)):
            raise ValueError(f'"{value}" {wrong}')
        return value

    return AfterValidator(validate)


def _like(pattern: str, wrong: str) -> AfterValidator:
    def check(value: str) -> str:
        return "" if re.fullmatch(pattern, value) else wrong

    return _written(check)


Window = Annotated[
    str,
    Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d$"),  # an older program took 24:30 for 24:00
    _like(r".*-(24:00|[01].*|2[0-3].*)", "ends after midnight; write at most 24:00"),
]


def _no_days(days: int) -> str:
    return f"days are longer than {LONGEST}; write at most that" if days * DAY > milliseconds(LONGEST) else ""


def _no_mailbox(text: str) -> str:
    try:
        mailbox(text, "it")
    except InvalidInput as error:
        return f'cannot be written to: {error.message}; write it like "Tea house <tea@shop.example>"'
    return ""


def _no_return_path(text: str) -> str:
    """Each message adds `+` and its name in mail."""
    local, _, domain = text.rpartition("@")
    if text and (not local or "<" in text or _no_mailbox(f"{local}+{'0' * 37}@{domain}")):
        return 'is no bare address with room for "+" and an id; write it like "bounces@shop.example"'
    return ""


def _no_webhook(url: str) -> str:
    """What its name leads to is looked at before each message."""
    try:
        webhook_place(url or "https://none.example")
    except InvalidInput as error:
        return f'cannot be posted to: {error.message}; write it like "https://hooks.shop.example/tactful"'
    return ""


def _in_ascii(url: str) -> str:
    """The URL as headers of mail carry it."""
    if url.isascii():
        return url
    try:
        parts = urlsplit(url)
        host = ascii_host(parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return url
    return urlunsplit((parts.scheme, host, quote(parts.path, safe="/%"), "", ""))


Mailbox = Annotated[str, _written(_no_mailbox)]
_SHIPPED = {
    "sender": ("hello@shop.example",),
    "reply_to": ("hello@shop.example",),
    "postal_address": ("1 Market Street, Madrid",),
    "url": ("//shop.example",),
    "public_url": ("//127.0.0.1", "//hello.shop.example"),
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shop(_Section):
    """Who writes, and where the shop lives."""

    name: str = "Sample shop"
    timezone: Zone = "Europe/Madrid"
    locale: Annotated[
        str, _like(r"[A-Za-z]{2,3}(?:[-_.@]\S*)?", 'is no language; write it like "en" or "pt-BR" (BCP 47)')
    ] = "en"
    country: Annotated[str, _like("[A-Z]{2}", 'is no country; write it like "ES" (ISO 3166-1)')] = "ES"
    currency: Annotated[str, _like("[A-Z]{3}", 'is no currency; write it like "EUR" (ISO 4217)')] = "EUR"
    sender: Mailbox = "Sample shop <hello@shop.example>"
    reply_to: Mailbox = "hello@shop.example"
    postal_address: str = "Sample shop, 1 Market Street, Madrid"
    url: str = Field("https://shop.example", pattern=_WEB)  # the shop's own front page
    # ours, under which links in messages are reached
    public_url: Annotated[
        str,
        _like(r"https?://[^\s/?#]+[^\s?#]*", 'is no address; write it like "https://hello.shop.example"'),
        AfterValidator(_in_ascii),
    ] = "http://127.0.0.1:8080"
    # where reports of failed delivery go, e.g. bounces@shop.example
    bounce_address: Annotated[str, _written(_no_return_path)] = ""
    # the shop's page that fills a basket; {cart_id} and {items}
    cart_url: Annotated[str, _like(f"{_WEB}|^$", 'is no address; write it like "https://myshop.example/cart"')] = ""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone as an object."""
        return ZoneInfo(self.timezone)

    @property
    def unfilled(self) -> list[str]:
        """Fields that every customer reads or needs, and that still say what ships."""
        return [name for name, shipped in _SHIPPED.items() if any(each in getattr(self, name) for each in shipped)]


class RuleSettings(BaseModel):
    """`[rules.NAME]`: `mode`, any argument of the decorator, and whatever the rule asks for by `run.param`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    mode: Literal["live", "shadow", "off"] = "shadow"
    rollout: float = Field(1.0, ge=0, le=1)  # the share of customers, by hash, for whom a live rule is live

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything but the mode and the roll-out."""
        return dict(self.model_extra or {})


class Weekly(_Section):
    """Marketing contacts in seven days over all channels, by segment. A ladder counts once."""

    new: int = Field(1, ge=0)
    repeat: int = Field(2, ge=0)
    loyal: int = Field(3, ge=0)


class Caps(_Section):
    """How seldom is seldom enough. Gaps count from the attempt, per customer and per address."""

    weekly: Weekly = Weekly()
    silent_after: int = Field(5, ge=1, description="so many contacts in a row without a reaction: one a fortnight")
    away_days: Annotated[int, _written(_no_days)] = Field(
        60, ge=0, description="one in so many days to those whom two series left cold"
    )
    email_gap: Length = "16h"
    sms_gap: Length = "24h"
    push_gap: Length = "24h"
    sms_per_30_days: int = Field(2, ge=0)
    grace: Length = "1m"
    budget: bool = True


def _no_share(share: float) -> str:
    meant = "is a share that no rule reaches, so it guards nothing; write one below 0.1, like 0.005 for half a percent, or 1 for never"
    return meant if 0.1 <= share < 1 else ""


Share = Annotated[float, Field(ge=0, le=1), _written(_no_share)]


class Guard(_Section):
    """When a rule takes itself back: so many of its contacts object, and it is not chance (1 is never); or one that is live for
    a share of customers writes to so many times as many of them in a day as on the busiest of the week before (0 is never)."""

    opt_outs: Share = 0.005  # the share that withdraws consent, mutes the rule or stops everything
    spam_reports: Share = 0.001
    volume: float = Field(3.0, ge=0)
    after: int = Field(50, ge=1)  # contacts: fewer tell nothing


class Hours(_Section):
    """When marketing may arrive, in the recipient's local time; over how long what waited for an hour leaves once it opens."""

    marketing: Window = "09:00-21:00"
    spread: Length = "0s"


class Resting(_Section):
    """How long marketing rests after what happened."""

    order: Length = "24h"
    complaint_closed: Length = "7d"
    refund: Length = "7d"
    contact: Length = "24h"


class Source(_Section):
    """A source of events that delivers late, and how late at most: rules that wait for it (`after`) wait so long."""

    lag: Length


class LogSettings(_Section):
    """How long the log keeps what both services have read."""

    retention: Length = "30d"


class History(_Section):
    """How long the timeline of a customer is kept: what happened, and why something was or was not sent."""

    retention: Length = "400d"


class Webhook(_Section):
    """A system of the shop's own that takes messages of the channel `webhook`."""

    url: Annotated[str, _written(_no_webhook)] = ""


class Sending(_Section):
    """Who may be written to at all. As shipped: nobody outside the list."""

    mode: Literal["allowlist", "live"] = "allowlist"
    allow: tuple[str, ...] = ()
    expires: Length = "24h"

    @property
    def spoken(self) -> str:
        """Who may be written to, in words."""
        return "everybody who consents" if self.mode == "live" else f"allow-list {' '.join(self.allow) or '(empty)'}"


class Settings(_Section):
    """The whole file."""

    shop: Shop = Shop()
    rules: Mapping[str, RuleSettings] = {}
    caps: Caps = Caps()
    guard: Guard = Guard()
    hours: Hours = Hours()
    resting: Resting = Resting()
    sending: Sending = Sending()
    webhook: Webhook = Webhook()
    log: LogSettings = LogSettings()
    history: History = History()
    sources: Mapping[str, Source] = {}

    def rule(self, name: str) -> RuleSettings:
        """The settings of one rule; a rule that is not mentioned stands in shadow."""
        return self.rules.get(name, RuleSettings())


def names_addresses(pattern: str) -> bool:
    """Whether an entry of `[sending] allow` can be an address, or a pattern of them; the longest names a device."""
    return re.fullmatch(r"(?!@)\S*[@*]\S*|\+\d{5,}|\S{20,}", pattern) is not None


def settings_from_log(text: str | bytes) -> Settings:
    """Settings as they stand in the log (JSON); the defaults before the first broadcast, "". What a newer program has told
    besides is passed over: while a roll-out is under way, one of the version before reads it too."""
    return Settings.model_validate_json(text, extra="allow") if text else Settings()


def parse(text: str, file: str) -> Settings:
    """Settings from TOML text. Raises SettingsError that names the file, the line and the mend."""
    try:
        values = tomllib.loads(text)
        settings = Settings.model_validate(values, context=_FILE)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(detail, text, file) for detail in error.errors())) from None
    except ValueError as error:  # what is no TOML, or a number of thousands of digits
        raise SettingsError(f"{file}: {error}. Mend that line; nothing was changed.") from None
    if found := _beyond_reckoning(values):
        path, wrong = found
        where = f"{file}:{line_of(path, text)}: {'.'.join(path)}"
        raise SettingsError(f"{where}: {wrong}. Nothing was changed.")
    if contradiction := _contradiction(settings):
        raise SettingsError(f"{file}: {contradiction}. Nothing was changed.")
    return settings


def _beyond_reckoning(value: Any) -> tuple[list[str], str] | None:
    """The path to a number that JSON has no word for, which would reach nobody who reads the log, or to a length that leads
    beyond the calendar; and what is wrong with it."""
    if isinstance(value, list):
        return next((found for each in value if (found := _beyond_reckoning(each)) is not None), None)
    if isinstance(value, dict):
        inside = ((name, _beyond_reckoning(each)) for name, each in value.items())
        return next((([name, *found[0]], found[1]) for name, found in inside if found is not None), None)
    if isinstance(value, float) and not isfinite(value):
        return [], "inf and nan are no numbers to reckon with"
    if isinstance(value, str) and _is_longer_than(value, LONGEST):
        return [], f'"{value}" is longer than {LONGEST}; write at most that'
    return None


def _is_longer_than(text: str, length: str) -> bool:
    try:
        return milliseconds(text) > milliseconds(length)
    except InvalidInput:  # it is no length
        return False


def _contradiction(settings: Settings) -> str:
    """What contradicts itself among the values that the file gives; "" if nothing does."""
    weekly = settings.caps.weekly
    said = [(name, getattr(weekly, name)) for name in Weekly.model_fields if name in weekly.model_fields_set]
    if any(later[1] < earlier[1] for earlier, later in pairwise(said)):
        told = ", ".join(f"{name} = {most}" for name, most in said)
        return f"[caps.weekly] {told}: who buys more would hear less than who buys less; let them not fall"
    texting = [name for name, rule in settings.rules.items() if rule.parameters.get("sms") is True]
    if texting and not settings.caps.sms_per_30_days:
        return f"[rules.{texting[0]}] sms = true and [caps] sms_per_30_days = 0: no text would ever leave; change one"
    return ""


_EXAMPLES: Final = {
    "hours.marketing": 'hours like "09:00-21:00"',
    "shop.url": 'an address like "https://myshop.example"',
    "sending.allow": 'a list like ["*@myshop.example"]',
    "rollout": "a share from 0 to 1: 0.05 is 5 %",
}


def _sentence(detail: Any, text: str, file: str) -> str:
    path = [str(part) for part in detail["loc"]]
    where = f"{file}:{line_of(path, text)}" if path else file
    if detail["type"] == "extra_forbidden":
        return f"{where}: {'.'.join(path)} is not a setting; remove it or correct its spelling"
    if detail["type"] == "model_type" and path[:1] == ["rules"]:
        return f'{where}: {".".join(path)} is a table: write [{".".join(path)}], and mode = "live" below it'
    example = _EXAMPLES.get(".".join(path)) or _EXAMPLES.get(path[-1] if path else "")
    if example and detail["type"] != "value_error":
        return f"{where}: {'.'.join(path)}: {json.dumps(detail['input'], default=str)} does not fit; it is {example}"
    return f"{where}: {'.'.join(path)}: {detail['msg'].removeprefix('Value error, ')}"


def line_of(path: list[str], text: str) -> int:
    """The line on which the last part of the path is set, within its section if there is one."""
    lines, best, section = text.splitlines(), 1, ""
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped.strip("[] ")
            if section in (".".join(path), ".".join(path[:-1])):
                best = number
        elif stripped.split("=")[0].strip() == path[-1] and section == ".".join(path[:-1]):
            return number
    return best
