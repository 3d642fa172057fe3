"""The routes behind the command line: `/admin`, for whoever holds the token in `<data>/server.json`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Protocol

import msgspec
from fastapi import APIRouter, FastAPI, Query
from fastapi.responses import Response, StreamingResponse
from starlette.convertors import PathConvertor, register_url_convertor

from tactful.channels import known_channel
from tactful.durations import ahead, milliseconds
from tactful.errors import InvalidInput, SettingsError
from tactful.purposes import known_purpose
from tactful.records import TOPICS
from tactful.settings import names_addresses
from tactful.telemetry import UNTOLD
from tactful_console.explain import explain_text
from tactful_console.timeline import timeline
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.desk.reception import Reception
from tactful_dispatch.facts import Word
from tactful_dispatch.state.ledger import broken_at, lacks
from tactful_trigger.state.tally import Tally
from tactful_workbench.answering import answer_by_name
from tactful_workbench.bearer import for_the_bearer_of
from tactful_workbench.doctor.almost import slips
from tactful_workbench.doctor.findings import Patient, examine
from tactful_workbench.keyring import Keys
from tactful_workbench.operating.comparing import difference_interval
from tactful_workbench.operating.conducting import Conductor
from tactful_workbench.operating.dumping import lines, places
from tactful_workbench.operating.personal import Personal
from tactful_workbench.operating.readings import Readings
from tactful_workbench.operating.ruletelling import RuleTelling
from tactful_workbench.operating.runpages import Page, StoredRow
from tactful_workbench.operating.stopping import RedButton
from tactful_workbench.operating.story import Story
from tactful_workbench.operating.suppressions import Suppressions
from tactful_workbench.operating.tracing import trace
from tactful_workbench.operating.wishes import (
    COMMAND_LINE,
    ConsentWish,
    Enrolment,
    KeyWish,
    RateWish,
    Reopening,
    ResumeWish,
    Rollout,
    RuleWish,
    SendingWish,
    StopWish,
    SuppressionList,
)
from tactful_workbench.settings.editing import with_values
from tactful_workbench.settings.file import SettingsFile

_HEAD: Final = re.compile(r"(\d{1,9}):(\d{1,18}):([0-9a-f]{64})")  # of a partition's chain of consent
Natural = Annotated[int, Query(ge=0, lt=2**63)]


class _Name(PathConvertor):
    """A part of a path that may be whatever the door takes for an id: with slashes and line breaks too."""

    regex = "(?s:.*)"


register_url_convertor("name", _Name())


class Deployment(Patient, Protocol):
    """What the routes work on: the one file, or the servers of many machines."""

    @property
    def keys(self) -> Keys: ...
    @property
    def desk(self) -> Reception: ...
    @property
    def suppressions(self) -> Suppressions: ...
    @property
    def personal(self) -> Personal: ...
    @property
    def button(self) -> RedButton: ...
    @property
    def conductor(self) -> Conductor: ...
    @property
    def settings(self) -> SettingsFile: ...
    @property
    def story(self) -> Story: ...
    @property
    def readings(self) -> Readings | None: ...
    @property
    def ruletelling(self) -> RuleTelling: ...
    @property
    def token(self) -> str: ...


def admin_app(product: Deployment) -> FastAPI:
    """The admin routes as an application of their own."""
    app = FastAPI(openapi_url=None, telemetry=UNTOLD)
    app.include_router(admin_router(product))
    answer_by_name(app)
    return app


def admin_router(product: Deployment) -> APIRouter:
    """Every route asks for the token."""
    office = _Office(product)
    router = APIRouter(prefix="/admin", route_class=for_the_bearer_of(product.token))
    routes: tuple[tuple[str, str, Callable[..., Awaitable[Any]]], ...] = (
        ("GET", "/customers", office.find),
        ("GET", "/customers/{customer:name}/explain", office.explain),
        ("GET", "/customers/{customer:name}/export", office.export),
        ("POST", "/customers/{customer:name}/erase", office.erase),
        ("POST", "/customers/{customer:name}/reopen", office.reopen),
        ("GET", "/consent/{customer:name}", office.consents),
        ("POST", "/consent/{customer:name}", office.record_consent),
        ("GET", "/consent-ledger", office.verify_ledger),
        ("POST", "/suppressions", office.suppress),
        ("GET", "/rules", office.rules),
        ("GET", "/runs", office.runs),
        ("POST", "/rules/{rule:name}/enrol", office.enrol),
        ("POST", "/rules/{rule:name}/rollout", office.roll_out),
        ("POST", "/rules/{rule:name}", office.conduct),
        ("GET", "/sending", office.sending),
        ("POST", "/sending", office.change_sending),
        ("GET", "/doctor", office.doctor),
        ("GET", "/stop", office.standing),
        ("POST", "/stop", office.stop),
        ("POST", "/resume", office.resume),
        ("GET", "/keys", office.keys),
        ("POST", "/keys", office.make_key),
        ("POST", "/keys/{name:path}/limit", office.limit_key),
        ("POST", "/keys/{name:path}/revoke", office.revoke_key),
        ("GET", "/events", office.events),
        ("GET", "/events/{event}/trace", office.trace),
    )
    for method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method], response_model=None)
    return router


class _Office:
    def __init__(self, product: Deployment) -> None:
        self._product = product

    async def find(self, text: str) -> dict[str, Any]:
        return {"customers": await self._product.story.search(text)}

    async def explain(self, customer: str, by: str = COMMAND_LINE) -> dict[str, Any]:
        story = timeline(await self._product.story.timeline(customer), self._product.settings.latest.shop.timezone)
        await self._note(customer, by, story)
        return {"timeline": msgspec.to_builtins(story), "text": explain_text(story, self._product.clock.now())}

    async def export(self, customer: str, by: str = COMMAND_LINE) -> Response:
        copy = await self._product.personal.export(customer)
        await self._note(customer, by, copy)
        return Response(copy, media_type="application/json")

    async def _note(self, customer: str, by: str, known: object) -> None:
        """Write down who has read the story, if there is anything in it."""
        if self._product.readings is not None and known:
            await self._product.readings.note(customer, by)

    async def erase(self, customer: str) -> dict[str, Any]:
        before = await self._product.personal.gone_since(customer)
        farewell = await self._product.personal.erase_known(customer, COMMAND_LINE)
        clean, gone_on = self._day(farewell.log_clean_at), None if before is None else self._day(before)
        return {"customer": customer, "erased_at": farewell.at, "log_clean_on": clean, "gone_since": gone_on}

    def _day(self, instant: int) -> str:
        return datetime.fromtimestamp(instant / 1000, self._product.settings.latest.shop.zone).date().isoformat()

    async def reopen(self, customer: str, wish: Reopening) -> dict[str, Any]:
        channel = known_channel(wish.channel, "channel")
        return {"was": await self._product.desk.reopen(customer, channel, wish.by, wish.why)}

    async def consents(self, customer: str) -> dict[str, Any]:
        card = await self._product.desk.card(customer)
        told = ("purpose", "channel", "state", "entry", "at", "basis", "wording", "via", "once")
        return {
            "consents": [
                {name: getattr(word, name) for name in told} for word in (*card.consents, *_of_addresses(card))
            ]
        }

    async def record_consent(self, customer: str, wish: ConsentWish) -> dict[str, Any]:
        if wish.state not in ("granted", "withdrawn"):
            raise InvalidInput("invalid_state", f'consent is granted or withdrawn, not "{wish.state}"')
        purpose, channel = known_purpose(wish.purpose, "purpose"), known_channel(wish.channel, "channel")
        entry = await self._product.desk.consent(
            customer, purpose, channel, wish.state, via=wish.via, wording=wish.wording
        )
        return {"entry": entry}

    async def verify_ledger(self, seen: Annotated[list[str] | None, Query()] = None) -> dict[str, Any]:
        """`seen`: partition:entry:hash, as a head was told before."""
        heads = dict(map(_head, seen or ()))
        chains = []
        for partition in range(self._product.log.partitions):
            links = await self._product.dispatch.ledger(partition)
            broken = broken_at(links)
            if broken is None and partition in heads:
                broken = lacks(links, *heads[partition])
            head = links[-1].hash.hex() if links else ""
            told = {"entries": len(links), "whole": broken is None, "broken_at": broken, "head": head}
            chains.append({"partition": partition, **told})
        return {"partitions": chains}

    async def suppress(self, wish: SuppressionList) -> dict[str, Any]:
        for each in wish.addresses:
            known_channel(each.channel, "channel")
        new = await self._product.suppressions.take(wish.source, wish.addresses, wish.dry_run)
        return {"new": new, "known": len(wish.addresses) - new}

    async def rules(self, counted: bool = True) -> dict[str, Any]:
        """Counting live runs takes some seconds a million."""
        trigger = self._product.trigger
        alive, parked = (await trigger.live_runs(), await trigger.live_runs(parked=True)) if counted else ({}, {})
        absent = await self._product.conductor.absent(alive)
        rules = [
            {
                "name": told.rule.name,
                "version": told.rule.terms.version,
                "mode": told.settings.mode,
                "rollout": told.settings.rollout,
                "standing": told.standing,
                "why": told.why,
                "origin": told.rule.origin,
                "about": told.rule.about,
                "live_runs": alive.get(told.rule.name, 0),
                "parked": parked.get(told.rule.name, 0),
                "forecast": None if told.forecast is None else told.forecast._asdict(),
                "results": _results(told.tally, told.goal_within),
            }
            for told in await self._product.ruletelling.told()
        ]
        return {
            "rules": rules,
            "absent": [
                {"name": name, "standing": still, "live_runs": alive.get(name, 0)} for name, still in absent.items()
            ],
            "broken": [broken._asdict() for broken in self._product.loaded.broken],
            "slips": slips(self._product.loaded),
            "guard": self._product.settings.latest.guard.model_dump(),
        }

    async def runs(self, partition: Natural, after: str = "", limit: Annotated[int, Query(ge=1)] = 1000) -> Response:
        """Rows that hold runs, a page at a time."""
        store, count = self._product.trigger, self._product.log.partitions
        if partition >= count:
            raise InvalidInput("no_such_partition", f"there is no partition {partition}; the last one is {count - 1}")
        everybody = sorted(name for name in await store.busy(partition) if name > after)
        names = everybody[:limit]
        rows = await store.load(partition, names)
        page = Page(
            [StoredRow(name, msgspec.Raw(rows[name])) for name in names if name in rows],
            names[-1] if len(everybody) > limit else "",
            count,
        )
        return Response(msgspec.json.encode(page), media_type="application/json")

    async def conduct(self, rule: str, wish: RuleWish) -> dict[str, Any]:
        if wish.wish == "cancel":
            return {"rule": rule, "cancelled": await self._product.conductor.cancel(rule)}
        if wish.wish == "resume":
            return {"rule": rule, "told": wish.wish, "retried": await self._product.conductor.resume(rule)}
        await self._product.conductor.tell(rule, wish.wish)
        return {"rule": rule, "told": wish.wish}

    async def enrol(self, rule: str, wish: Enrolment) -> dict[str, Any]:
        conductor = self._product.conductor
        since = self._product.clock.now() - milliseconds(wish.since)
        customers, reached = await conductor.candidates(rule, since, wish.after, wish.limit)
        answer = {"rule": rule, "customers": len(customers), "reached": reached, "dry_run": wish.dry_run}
        if wish.dry_run:
            return answer | {"foreseen": await conductor.foresee(rule, customers)}
        await conductor.enrol(rule, since, customers)
        return answer

    async def sending(self) -> dict[str, Any]:
        settings = self._product.settings.latest
        return {
            "shop": settings.shop.name,
            "unfilled": settings.shop.unfilled,
            "mode": settings.sending.mode,
            "allow": list(settings.sending.allow),
            "rules": {rule.name: settings.rule(rule.name).mode for rule in self._product.loaded.rules},
        }

    async def change_sending(self, wish: SendingWish) -> dict[str, Any]:
        if wrong := [address for address in wish.allow or () if not names_addresses(address)]:
            example = "write anna@myshop.example, *@myshop.example or +34600123456"
            raise InvalidInput("no_address", f'"{wrong[0]}" is no address; {example}. Nothing was changed', "allow")
        await self._change("sending", wish.model_dump(exclude_none=True))
        return await self.sending()

    async def roll_out(self, rule: str, wish: Rollout) -> dict[str, Any]:
        self._product.conductor.known(rule)
        await self._change(f"rules.{rule}", {"mode": "live" if wish.share else "shadow", "rollout": wish.share or 1.0})
        return {"rule": rule, "share": wish.share}

    async def _change(self, section: str, values: dict[str, Any]) -> None:
        """Write values into a section of the settings file, and tell everybody. Raises InvalidInput (`invalid_settings`)."""
        file = self._product.settings
        try:
            file.write(with_values(file.text(), section, values))
        except SettingsError as error:
            raise InvalidInput("invalid_settings", str(error)) from None
        await file.tell(self._product.log, self._product.clock, "")

    async def doctor(self) -> dict[str, Any]:
        from tactful_workbench.doctor.outside import Outside  # who never asks a doctor does without DNS

        findings = await examine(self._product, Outside())
        return {"findings": [finding._asdict() for finding in findings]}

    async def standing(self, counted: bool = False) -> dict[str, Any]:
        standing = await self._product.button.standing()
        zone = self._product.settings.latest.shop.zone
        since = datetime.fromtimestamp(standing.at / 1000, zone).isoformat(timespec="seconds")
        return {**standing._asdict(), "since": since, **(await self._product.button.counted() if counted else {})}

    async def stop(self, wish: StopWish) -> dict[str, Any]:
        await self._product.button.press(wish.by, wish.why)
        return await self.standing()

    async def resume(self, wish: ResumeWish) -> dict[str, Any]:
        await self._product.button.let_go(wish.by, ahead(wish.over))
        return await self.standing()

    async def keys(self) -> dict[str, Any]:
        listed = await self._product.keys.listed()
        return {"keys": [{**key._asdict(), "revoked": revoked} for key, revoked in listed]}

    async def make_key(self, wish: KeyWish) -> dict[str, Any]:
        return {
            "name": wish.name,
            "scope": wish.scope,
            "secret": await self._product.keys.create(wish.name, wish.scope, wish.per_second),
        }

    async def limit_key(self, name: str, wish: RateWish) -> dict[str, Any]:
        await self._product.keys.limit(name, wish.per_second)
        return {"name": name, "per_second": wish.per_second}

    async def revoke_key(self, name: str) -> dict[str, Any]:
        await self._product.keys.revoke(name)
        return {"name": name}

    async def events(
        self, topics: str = ",".join(TOPICS), latest: int = 0, behind: Annotated[list[str] | None, Query()] = None
    ) -> StreamingResponse:
        """Stored records, as `tactful_workbench.operating.dumping.lines`."""
        wanted = [topic for topic in topics.split(",") if topic]
        if unknown := [topic for topic in wanted if topic not in TOPICS]:
            raise InvalidInput("no_such_topic", f"there is no topic {unknown[0]}; there are: {', '.join(TOPICS)}")
        told = lines(self._product.log, wanted, latest, places(behind or ()))
        return StreamingResponse(told, media_type="application/x-ndjson")

    async def trace(self, event: str, customer: str) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(await trace(self._product.log, customer, event))
        return found


def _head(text: str) -> tuple[int, tuple[int, bytes]]:
    """Partition, number and hash of its latest entry. Raises InvalidInput."""
    if (told := _HEAD.fullmatch(text)) is None:
        raise InvalidInput("invalid_head", f'"{text}" is no head of a chain; it is partition:entry:hash', "seen")
    return int(told[1]), (int(told[2]), bytes.fromhex(told[3]))


def _of_addresses(card: CustomerCard) -> Iterator[Word]:
    """What binds the customer's addresses though it is no word of theirs: of somebody who shares them, or on a list of a sender before."""
    own = {(said.purpose, said.at) for said in card.consents if said.state == "withdrawn"}
    for channel, withdrawn in card.closed.items():
        for purpose, at in withdrawn.items():
            if (purpose, at) not in own:
                yield Word(purpose, channel, "withdrawn", at, entry=0, basis="", via="address")


def _results(tally: Tally, goal_within: int | None) -> dict[str, Any]:
    """The tally's counts, and `difference`: the 95 % interval of how far the share of customers who reached the goal, of those whose
    first contact was sent, lies above that of those whose first contact was held out; None while it cannot be told."""
    return {
        **msgspec.structs.asdict(tally),
        "goal_within": goal_within,
        "difference": difference_interval(
            tally.first_sent_reached, tally.first_sent, tally.first_held_out_reached, tally.first_held_out
        ),
    }
