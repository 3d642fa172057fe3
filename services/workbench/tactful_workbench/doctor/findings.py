"""What keeps a deployment from working as it should: findings, each with what to do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from email.utils import parseaddr
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import msgspec

from tactful.clock import DAY, MINUTE, Clock
from tactful.decisions import Reason
from tactful.durations import spoken
from tactful.errors import StreamStopped, TactfulError
from tactful.localtime import dated
from tactful.log import Log, onward
from tactful.log.quarantine import FLOOD
from tactful.partitions.clockcheck import APART
from tactful.partitions.continuing import refuse_another
from tactful.plugins import Loaded
from tactful.records import DISPATCH, EVENTS, QUARANTINE, QuarantineRecord, decode_any
from tactful.settings import Settings, Shop
from tactful_console.terminal import quoted
from tactful_console.wording import SHUT
from tactful_dispatch.content import TemplateError
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.state.rows import latest_stop
from tactful_dispatch.store import DispatchStore
from tactful_trigger.state.row import decode
from tactful_trigger.store import TriggerStore, cursors
from tactful_workbench.doctor.almost import slips
from tactful_workbench.doctor.latefeeds import feeds_behind, late_feeds
from tactful_workbench.doctor.misposted import misposted
from tactful_workbench.doctor.unsent import astray
from tactful_workbench.settings.file import SettingsFile
from tactful_workbench.settings.unheard import unheard

if TYPE_CHECKING:
    from tactful_dispatch.content.lint import Finding as Flaw

TO_PEOPLE: Final = "service.desk"
NOBODYS: Final = Grant("unsubscribe", "", channel="email")
ROWS: Final = 500  # of customers who wait for a feed, read at once
LATEST: Final = 500  # refused records of each partition that are looked at
BEHIND: Final = 1000  # records that may wait to be read before it is worth a word
PATIENCE: Final = 5 * MINUTE  # that one of them may wait

Level = Literal["ok", "info", "warn", "fail"]


class Finding(NamedTuple):
    """One thing that was looked at."""

    level: Level
    text: str


class _Place(NamedTuple):
    """How far a partition was read: offset and append time, and how many of the last records in a row could not be applied."""

    offset: int
    clock: int
    poison: int


class Web(Protocol):
    """What the world outside says of us. Both raise OSError if nobody can be asked."""

    async def texts(self, name: str) -> Sequence[str]:
        """TXT records of a name in DNS; none if there is no such name."""
        ...

    async def is_ours(self, url: str) -> bool:
        """Whether what stands behind one of our signed links is a page of ours."""
        ...


class Patient(Protocol):
    """What is looked at: the one file, or the servers of many machines."""

    @property
    def log(self) -> Log: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def loaded(self) -> Loaded: ...
    @property
    def trigger(self) -> TriggerStore: ...
    @property
    def dispatch(self) -> DispatchStore: ...
    @property
    def links(self) -> Links: ...
    @property
    def templates(self) -> Path | None: ...
    @property
    def writes_to_people(self) -> bool: ...
    @property
    def settings(self) -> SettingsFile: ...
    def settings_now(self) -> Settings: ...
    async def ground_findings(self) -> Sequence[Finding]:
        """About what the deployment stands on: servers, files, clocks, owners of partitions."""
        ...


async def examine(patient: Patient, web: Web) -> list[Finding]:
    """Everything, whatever else fails."""
    looks: tuple[Callable[[], Awaitable[Sequence[Finding]]], ...] = (
        patient.ground_findings,
        lambda: _reading(patient),
        lambda: _passed_over(patient),
        lambda: _late(patient),
        lambda: _refused(patient),
        lambda: _misposted(patient),
        lambda: _waiting(patient),
        lambda: _plugins(patient),
        lambda: _shop(patient),
        lambda: _answers(patient),
        lambda: _mail(patient, web),
        lambda: _pages(patient, web),
        lambda: _sending(patient),
    )
    found: list[Finding] = []
    for look in looks:
        try:
            found += await look()
        except TactfulError as error:
            found.append(Finding("fail", str(error)))
    return found


async def _reading(patient: Patient) -> list[Finding]:
    found = []
    for name, topic, place in (("trigger", EVENTS, _of_trigger), ("dispatch", DISPATCH, _of_dispatch)):
        places = [await place(patient, partition) for partition in range(patient.log.partitions)]
        read = [at.offset for at in places]
        ends = [await patient.log.end(topic, partition) for partition in range(len(read))]
        behind = [max(0, end - at) for end, at in zip(ends, read, strict=True)]
        level: Level = "warn" if max(behind) > BEHIND else "ok"
        found.append(
            Finding(level, f"{name} has {sum(behind):,} records to read, at most {max(behind):,} of one partition")
        )
        for partition in (number for number, end in enumerate(ends) if end >= read[number]):
            found += await _standing(patient, name, topic, partition, places[partition])
        for partition in (number for number, end in enumerate(ends) if end < read[number]):
            ends_at = f"the log ends at {ends[partition]:,} and is read on at {read[partition]:,}: it was made anew or cut off"
            mend = f"`tactful db accept-loss {topic}/{partition}`, see `What is lost` in docs/how-to/alarms.md"
            found.append(Finding("fail", f"{name} stands still in partition {partition}: {ends_at}. {mend}"))
    return found


async def _standing(patient: Patient, name: str, topic: str, partition: int, at: _Place) -> list[Finding]:
    """A partition that was stopped, or cannot be read on, or that nobody owns, or whose records are of a time to come."""
    try:
        await refuse_another(patient.log, topic, partition, at.offset, at.clock)
        next_one = await patient.log.read(topic, partition, at.offset, 1)
    except StreamStopped as stopped:
        return [Finding("fail", f"{name} stands still in partition {partition}: {stopped}")]
    if next_one and at.poison >= FLOOD:
        why = f"{at.poison} records in a row cannot be applied. `tactful events tail --quarantine` says why they cannot"
        mend = "stop whoever writes them or mend the rule, and start the service anew"
        return [Finding("fail", f"{name} stands still in partition {partition}: {why}; {mend}")]
    waited = patient.clock.now() - next_one[0].appended if next_one else 0
    if waited < -APART:
        until = dated(next_one[0].appended - APART, patient.settings_now().shop.zone)
        ahead = f"its log was stamped by a clock that was ahead by {spoken(waited)}"
        return [Finding("fail", f"{name} stands still in partition {partition} until {until}: {ahead}")]
    if waited <= PATIENCE:
        return []
    text = f"{name} does not move in partition {partition}: a record waits since {spoken(waited)}; the log of {name} says why"
    return [Finding("fail", text)]


async def _passed_over(patient: Patient) -> list[Finding]:
    known = await cursors(patient.trigger, patient.log.partitions)
    beyond, repeats = sum(cursor.counted for cursor in known), sum(cursor.duplicates for cursor in known)
    said = (
        (
            beyond,
            f"{beyond:,} events were counted and not applied, of customers beyond a limit or erased; their stories say so",
        ),
        (repeats, f"repeats of events, mostly with the same id, that changed nothing: {repeats:,}"),
    )
    return [Finding("info", text) for count, text in said if count]


async def _late(patient: Patient) -> list[Finding]:
    known, settings = await cursors(patient.trigger, patient.log.partitions), patient.settings_now()
    waiting = Counter[str]()
    for cursor in known:
        late = sorted(cursor.late)
        for first in range(0, len(late), ROWS):
            rows = await patient.trigger.load(cursor.partition, late[first : first + ROWS])
            for customer, stored in rows.items():
                runs = decode(customer, stored, {}).runs
                waiting.update(feeds_behind(runs, patient.loaded.rules, settings, cursor))
    return [Finding("warn", text) for text in late_feeds(known, waiting, settings, patient.clock.now())]


async def _of_trigger(patient: Patient, partition: int) -> _Place:
    cursor = await patient.trigger.cursor(partition)
    return _Place(0, 0, 0) if cursor is None else _Place(cursor.offset, cursor.clock, cursor.poison)


async def _of_dispatch(patient: Patient, partition: int) -> _Place:
    cursor = await patient.dispatch.cursor(partition)
    return _Place(cursor.offset, cursor.clock, cursor.poison)


async def _refused(patient: Patient) -> list[Finding]:
    """What went to quarantine within a day, as far as the latest of each partition go back."""
    found: list[tuple[int, str]] = []
    for partition in range(patient.log.partitions):
        end = await patient.log.end(QUARANTINE, partition)
        async for stored in onward(patient.log, QUARANTINE, partition, end - LATEST):
            try:
                record = decode_any(stored.value)
            except msgspec.MsgspecError:  # others may write to the log as well
                continue
            if stored.appended > patient.clock.now() - DAY and isinstance(record, QuarantineRecord):
                by = f", from {record.body.source}" if record.body.source else ""
                found.append((stored.appended, f"{record.body.reason}{by}"))
    if not found:
        return [Finding("ok", "nothing was refused within a day")]
    why = f"the latest: {max(found)[1]}. See `tactful events tail --quarantine`"
    return [Finding("warn", f"{len(found):,} events or records were refused within a day; {why}")]


async def _misposted(patient: Patient) -> list[Finding]:
    return [Finding("warn", text) for text in await misposted(patient.log)]


async def _waiting(patient: Patient) -> list[Finding]:
    """Messages that wait for what somebody may have to mend."""
    found = defaultdict[tuple[str, str], list[str]](list)
    for partition in range(patient.log.partitions):
        for delivery in await patient.dispatch.held(partition):
            if delivery.held_for in (Reason.PROVIDER, Reason.TEMPLATE_ERROR):
                found[delivery.held_for, delivery.message.channel].append(delivery.message.customer)
    return [
        Finding(
            "warn",
            f"messages by {channel} wait, {len(customers):,} in all: {SHUT[Reason(reason)][-1]}; "
            f"`tactful explain {quoted(min(customers))}` says why",
        )
        for (reason, channel), customers in sorted(found.items())
    ]


async def _plugins(patient: Patient) -> list[Finding]:
    loaded = patient.loaded
    found = [
        Finding("ok" if not loaded.broken else "warn", f"rules {len(loaded.rules)} loaded, {len(loaded.broken)} broken")
    ]
    found += [Finding("fail", f"rule {broken.name}: {broken.message}") for broken in loaded.broken]
    found += [Finding("fail", fault) for fault in (patient.settings.fault(),) if fault]
    found += [Finding("warn", f"settings.toml: {text}") for text in unheard(patient.settings_now(), loaded.rules)]
    found += [Finding("warn", text) for text in slips(loaded)]
    try:
        content = ContentSet.load(*([patient.templates] if patient.templates else []))
    except TemplateError as error:
        return [*found, Finding("fail", f"{error}; nothing is rendered before it is mended. `tactful templates lint`")]
    languages = sorted({language for _, _, language, _ in content.templates})
    found.append(Finding("ok", f"templates {len(content.templates)}, languages {', '.join(languages)}"))
    if patient.writes_to_people and not content.brand.domains:
        anybody = "what anybody posts with the key of a page may put links to anywhere into letters"
        found.append(
            Finding("info", f"brand.yaml names no domains: {anybody}. Name the hosts of your links and pictures")
        )
    found += [Finding("warn", text) for text in (astray(loaded, content) if patient.templates else ())]
    locale = patient.settings_now().shop.locale
    if mend := await _lint(content, patient.settings_now().shop):
        first = f"{mend[0].file}:{mend[0].line}: {mend[0].message}"
        found.append(
            Finding("warn", f"{first}. In all {len(mend)} to mend: `tactful templates lint --locale {locale}`")
        )
    return found


async def _lint(content: ContentSet, shop: Shop) -> list[Flaw]:
    """What lint finds. Nothing where this process cannot render, like the console where only its own extra is installed."""
    if find_spec("css_inline") is None:
        return []
    from tactful_dispatch.content.linting import lint_within_limits

    return await lint_within_limits(content, shop.locale, shop)


async def _shop(patient: Patient) -> list[Finding]:
    settings = patient.settings_now()
    if not patient.writes_to_people:
        return []
    found = []
    if settings.shop.unfilled:
        level: Level = "fail" if settings.sending.mode == "live" else "warn"
        found.append(Finding(level, f"settings.toml still says what ships: [shop] {', '.join(settings.shop.unfilled)}"))
    if not settings.shop.cart_url:
        lead = "buttons lead to a product's page or to the front page, and fill no basket"
        found.append(Finding("info", f"[shop] cart_url is not set: {lead}"))
    return found


async def _answers(patient: Patient) -> list[Finding]:
    """The pages promise that people read what customers answer."""
    if not patient.writes_to_people:
        return []
    settings = patient.settings_now()
    return [
        Finding("warn", f'what customers answer reaches nobody: set [rules.{rule.name}] mode = "live" in settings.toml')
        for rule in patient.loaded.rules
        if rule.terms.purpose == TO_PEOPLE and settings.rule(rule.name).mode != "live"
    ]


async def _mail(patient: Patient, web: Web) -> list[Finding]:
    if not patient.writes_to_people:
        return [Finding("info", "nothing leaves this machine: every channel is the inbox")]
    domain = parseaddr(patient.settings_now().shop.sender)[1].partition("@")[2]
    if not domain:
        return [Finding("fail", "[shop] sender has no address; e-mails need one that the provider lets you use")]
    try:
        spf = any(text.startswith("v=spf1") for text in await web.texts(domain))
        dmarc = any(text.startswith("v=DMARC1") for text in await web.texts(f"_dmarc.{domain}"))
    except OSError as error:
        return [Finding("warn", f"mail from {domain}: DNS could not be asked ({error})")]
    level: Level = "ok" if spf and dmarc else "fail"
    text = f"mail from {domain}: SPF {_there(spf)}, DMARC {_there(dmarc)}"
    if not dmarc:
        text += f". Gmail and Yahoo refuse bulk mail without it: add TXT _dmarc.{domain}"
    if not spf:
        text += f'. Add TXT {domain} "v=spf1 … -all" with the servers of your provider'
    return [Finding(level, text)]


async def _pages(patient: Patient, web: Web) -> list[Finding]:
    url = f"{patient.settings_now().shop.public_url.rstrip('/')}/u/…"
    try:
        ours = await web.is_ours(patient.links.url(NOBODYS))
    except OSError as error:
        return [
            Finding("fail", f"{url} does not answer ({error}): customers cannot unsubscribe. See [shop] public_url")
        ]
    if ours:
        return [Finding("ok", f"{url} answers: unsubscribe links work from here")]
    somebody = "is answered by somebody else, or by a Tactful with another link-key"
    return [Finding("fail", f"{url} {somebody}: customers cannot unsubscribe. See [shop] public_url")]


async def _sending(patient: Patient) -> list[Finding]:
    settings = patient.settings_now()
    cursors = [await patient.dispatch.cursor(partition) for partition in range(patient.log.partitions)]
    latest = latest_stop(cursors)
    why = f" ({latest.stopped_why})" if latest.stopped_why else ""
    text = f"all sending is stopped by {latest.stopped}{why}; `tactful resume` lets it go on"
    found = [Finding("warn", text)] if latest.stopped else []
    modes = ", ".join(f"{rule.name} {settings.rule(rule.name).mode}" for rule in patient.loaded.rules)
    return [*found, Finding("info", f"sending: {settings.sending.spoken}. Rules: {modes}")]


def _there(found: bool) -> str:
    return "ok" if found else "missing"
