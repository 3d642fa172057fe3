"""What happened while the dev clock went on: one report with a text and a JSON form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tactful.decisions import Reason, Verdict
from tactful_console.moments import Moments
from tactful_console.terminal import printable, quoted
from tactful_console.verdicts import mend, why_not
from tactful_console.wording import hold_told


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One message's final word, for people in a hurry. `explain` is the page with the whole story."""

    id: str
    customer: str
    rule: str
    rule_version: int
    channel: str
    verdict: Verdict
    reason: Reason | None
    scope: str | None
    facts: dict[str, Any]
    at: int
    explain: str
    sentence: str = ""  # why not
    fix: str | None = None
    subject: str = ""
    url: str = ""  # where the message can be read
    ended: str = ""  # the run ended with this decision, for this reason


class HeldBack(msgspec.Struct, frozen=True, kw_only=True):
    """A message that began to be held while the clock went on."""

    message_id: str
    customer: str
    rule: str
    channel: str
    reason: Reason
    at: int
    until: int | None = None
    expires: int | None = None
    facts: dict[str, Any] = {}


class AdvanceReport(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """From one instant to another (ms), everything settled. In JSON: `{"from", "to", "timers_fired", ...}`."""

    start: int
    end: int
    timers_fired: int = 0
    decisions: tuple[Decided, ...] = ()
    held: tuple[HeldBack, ...] = ()
    failing: dict[str, str] = {}  # rules that could not go on, and why
    next_timer: int | None = None


def decided(customer: str, data: Mapping[str, Any], moments: Moments, *, explain: str, ended: str = "") -> Decided:
    """The line for a `Message Decided`; `data` are its properties (JSON values)."""
    return Decided(
        id=data["message_id"],
        customer=customer,
        rule=data["rule"],
        rule_version=data["rule_version"],
        channel=data["channel"],
        verdict=Verdict(data["verdict"]),
        reason=Reason(data["reason"]) if data.get("reason") else None,
        scope=data.get("scope"),
        facts=data.get("facts") or {},
        at=data["decided_at"],
        explain=explain,
        sentence=why_not(data, moments),
        fix=mend(customer, data),
        subject=data.get("subject") or "",
        url=data.get("url") or "",
        ended=ended,
    )


def advance_text(report: AdvanceReport, moments: Moments) -> str:
    """The report for a terminal, without a newline at its end."""
    fired = {0: "no timer fired", 1: "1 timer fired"}.get(report.timers_fired, f"{report.timers_fired} timers fired")
    start = moments.near(report.start, report.end)
    lines = [f"{start} → {moments.near(report.end, report.start)}   {fired}"]
    happened = [(part.at, _decision_line(part, report, moments)) for part in report.decisions]
    happened += [(part.at, _held_line(part, report, moments)) for part in report.held]
    lines += [line for _, line in sorted(happened, key=lambda pair: pair[0])]
    return "\n".join(printable(line) for line in [*lines, *_advice(report, moments)])


def _decision_line(part: Decided, report: AdvanceReport, moments: Moments) -> str:
    word = part.verdict.replace("_", " ").upper()
    said = [f'"{part.subject}"' if part.subject else "", part.url] if part.verdict is Verdict.SENT else [part.sentence]
    line = _columns(part, report, moments, word, part.reason or "") + "".join(f"   {text}" for text in said if text)
    return f"{line}   → run ended: {part.ended}" if part.ended else line


def _held_line(part: HeldBack, report: AdvanceReport, moments: Moments) -> str:
    facts = {"channel": part.channel, "rule": part.rule, "decided_at": part.at, **part.facts}
    ends, why = hold_told(part.reason, part.until, part.expires, facts, moments)
    until = f"HELD until {moments.near(ends, part.at)}" if ends is not None else "HELD"
    return f"{_columns(part, report, moments, until, part.reason)}   {why}"


def _columns(part: Decided | HeldBack, report: AdvanceReport, moments: Moments, word: str, reason: str) -> str:
    at = moments.near(part.at, report.end)
    line = f"  {at}  {part.rule}  {part.customer}  {part.channel:<5}  {word}"
    return f"{line}  {reason}" if reason else line


def _advice(report: AdvanceReport, moments: Moments) -> Iterator[str]:
    for rule, why in report.failing.items():
        yield f"  failing:      {rule}  {why}"
        yield f"  once mended:  tactful rules resume {quoted(rule)}   (files of rules are read when tactful dev starts)"
    fixes = dict.fromkeys(part.fix for part in report.decisions if part.fix)
    yield from (f"  to allow it:  {command}" for command in fixes)
    customers = dict.fromkeys(part.customer for part in report.decisions if part.reason)
    yield from (f"  why:          tactful explain {quoted(customer)}" for customer in customers)
    if not (report.decisions or report.held) and report.next_timer is not None:
        yield f"  next timer:   {moments.full(report.next_timer)}"
