"""How one row of history becomes a part of the timeline: one function per kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tactful.clock import DAY, MINUTE
from tactful.decisions import Verdict
from tactful_console.entries import Chip, Entry, Fact, Gate, Tone
from tactful_console.facts import facts_of
from tactful_console.history import HistoryRow
from tactful_console.moments import Moments
from tactful_console.verdicts import gates_of, mend, why_not

_VERDICTS: Final = {
    Verdict.SENT: Chip("sent", Tone.SENT),
    Verdict.NOT_SENT: Chip("not sent", Tone.REFUSED),
    Verdict.UNKNOWN: Chip("unknown", Tone.UNKNOWN),
}
_RECEIPTS: Final = {
    "Message Delivered": Chip("delivered", Tone.SENT),
    "Message Opened": Chip("opened", Tone.SENT),
    "Message Clicked": Chip("clicked", Tone.SENT),
    "Message Replied": Chip("replied", Tone.SENT),
    "Message Bounced": Chip("bounced", Tone.UNKNOWN),
    "Message Complained": Chip("reported as spam", Tone.UNKNOWN),
}
_STATES: Final = {
    "granted": Chip("granted", Tone.SENT),
    "withdrawn": Chip("withdrawn", Tone.REFUSED),
    "taken_back": Chip("a list taken back", Tone.SENT),
}
_NOT_STARTED: Final = {
    "cooldown": "it has written to the customer, or would have, and its cooldown is not over",
    "superseded": "something later had already settled it",
    "too_old": "the event was too old when it arrived",
    "holdout": "held out by lot",
    "when": "the rule's own condition does not hold",
}
_LATE: Final = 10 * MINUTE  # an event that came later than this says when it happened
# A goal is only ever reached while a run waits.
_CEASED: Final = {"goal reached": "goal reached, timer removed", "superseded": _NOT_STARTED["superseded"]}
_CHANGES: Final = {
    "rule_muted": "no more {rule}",
    "rule_unmuted": "{rule} again",
    "paused": "pause until {until}",
    "resumed": "the pause is over",
    "stopped": "no marketing at all",
    "topic_muted": "nothing more about {topic}",
    "topic_unmuted": "about {topic} again",
    "hours": "messages at {value}",
    "at_most_days": "one contact in {value} days at most",
}
# Values that say nothing by themselves.
_IN_WORDS: Final = {
    ("hours", ""): "messages at any hour by day",
    ("at_most_days", "0"): "contacts as often as they come",
    ("personalisation", "full"): "basket and visits may be looked at",
    ("personalisation", "none"): "nothing that looks at basket or visits",
}
# The gates worth a word when all is well: what they saw is what people ask about.
_TELLING: Final = ("consent", "budget", "quiet hours")


def entry(row: HistoryRow, moments: Moments) -> Entry:
    """The row as a part of the timeline."""
    return _BY_KIND.get(row.kind, _other)(row, moments)


def _happened(row: HistoryRow, moments: Moments) -> Entry:
    return _entry(
        row,
        title=_text(row, "name"),
        about=_text(row, "about"),
        ref=f"event {_text(row, 'id')}",
        sentences=_when(row, moments),
        facts=(*facts_of(row.data.get("properties") or {}), Fact("source", _text(row, "source"))),
    )


def _when(row: HistoryRow, moments: Moments) -> tuple[str, ...]:
    occurred = int(row.data.get("occurred_at", row.at))
    words = [f"happened {moments.full(occurred)}"] if row.at - occurred > _LATE else []
    return tuple([*words, "imported: it starts nothing"] if row.data.get("history") else words)


def _decided(row: HistoryRow, moments: Moments) -> Entry:
    data, why = row.data, why_not(row.data, moments)
    gates = gates_of(data, moments)
    return _entry(
        row,
        title=_text(row, "channel"),
        about=_text(row, "reason"),
        chip=_VERDICTS[Verdict(data["verdict"])],
        sentences=(why,) if why else _why_sent(data, gates),
        gates=gates,
        facts=facts_of({key: data.get(key) for key in _SHOWN_OF_A_DECISION}),
        fix=mend(row.customer, data),
    )


_SHOWN_OF_A_DECISION: Final = (
    "subject",
    "purpose",
    "template",
    "variant",
    "content_version",
    "rule_version",
    "provider",
    "provider_id",
    "detail",
    "scope",
    "facts",
    "message_id",
    "run_id",
)


def _why_sent(data: Mapping[str, Any], gates: tuple[Gate, ...]) -> tuple[str, ...]:
    words = [gate.sentence for name in _TELLING for gate in gates if gate.name == name]
    if version := data.get("content_version"):
        words.append(f"template {str(version)[:4]}")
    if provider := data.get("provider"):
        words.append(f"{provider} accepted")
    return tuple(words)


def _asked(row: HistoryRow, moments: Moments) -> Entry:
    return _entry(row, title=_text(row, "channel"), chip=Chip("asked"), sentences=("no decision yet",))


def _confirmed(row: HistoryRow, moments: Moments) -> Entry:
    return _entry(row, title=row.rule, chip=Chip("confirmed"), sentences=("the hold opened; the run still wants it",))


def _started(row: HistoryRow, moments: Moments) -> Entry:
    waiting = _text(row, "waiting")
    return _entry(
        row, title=f"{row.rule} v{_text(row, 'version')}", chip=Chip("started"), sentences=(waiting,) if waiting else ()
    )


def _ceased(row: HistoryRow, moments: Moments) -> Entry:
    tone = Tone.UNKNOWN if row.kind == "parked" else Tone.NEUTRAL
    why = _text(row, "why")
    return _entry(row, title=row.rule, chip=Chip(row.kind, tone), sentences=(_CEASED.get(why, why),))


def _not_started(row: HistoryRow, moments: Moments) -> Entry:
    why = _text(row, "why")
    return _entry(row, title=row.rule, chip=Chip("not started"), about=why, sentences=(why_not_started(why),))


def why_not_started(why: str) -> str:
    """The engine's word for why a run did not begin, as a person says it."""
    return _NOT_STARTED.get(why, why)


def _goal(row: HistoryRow, moments: Moments) -> Entry:
    days = int(row.data.get("after") or 0) // DAY
    since = f"{days} days" if days > 1 else "a day" if days else "less than a day"
    what = "a message that was held out for comparison" if row.data.get("held_out") else "the message"
    return _entry(row, title=row.rule, chip=Chip("goal reached", Tone.SENT), sentences=(f"{since} after {what}",))


def _note(row: HistoryRow, moments: Moments) -> Entry:
    return _entry(row, title=row.rule or "Limit", chip=Chip("note"), sentences=(_text(row, "text"),))


def _joined(row: HistoryRow, moments: Moments) -> Entry:
    """Links between customers, each named by its own page."""
    other = _text(row, "customer")
    words = {
        "linked": f"turned out to be {other}: their story goes on there",
        "absorbed": f"{other} turned out to be this customer",
        "adopted": f"the run of {other} goes on here",
    }
    return _entry(row, title=row.rule or "Identity", chip=Chip(row.kind), sentences=(words[row.kind],))


def _receipt(row: HistoryRow, moments: Moments) -> Entry:
    said, name = _text(row, "text"), _text(row, "name")
    machine = "fetched by a machine: it counts for nothing" if row.data.get("prefetched") else ""
    words = tuple(filter(None, (machine, f"“{said}”" if said else "")))
    return _entry(
        row,
        title="Message",
        chip=_RECEIPTS.get(name, Chip(name)),
        about=_text(row, "channel"),
        ref=f"message {_text(row, 'message_id')}",
        sentences=words,
        facts=facts_of({key: row.data.get(key) for key in ("url", "detail", "hard")}),
    )


def _consent(row: HistoryRow, moments: Moments) -> Entry:
    state = _text(row, "state")
    parts = [f"entry #{_text(row, 'entry')}"] + ["for one message"] * bool(row.data.get("once"))
    parts += [f"{key} {said}" for key in ("wording", "via") if (said := _text(row, key))]
    said_at = int(row.data.get("said_at") or row.at)
    parts += [f"said {moments.full(said_at)}"] if row.at - said_at > _LATE else []
    return _entry(
        row,
        title="Consent",
        about=f"{_text(row, 'purpose')}/{_text(row, 'channel') or 'every channel'}",
        ref="  ".join(parts),
        chip=_STATES.get(state, Chip(state)),
        facts=facts_of({key: row.data.get(key) for key in ("basis", "wording", "via", "proof")}),
    )


def _preferences(row: HistoryRow, moments: Moments) -> Entry:
    until = row.data.get("until")
    words = {name: _text(row, name) for name in ("rule", "topic", "value")}
    words["until"] = moments.full(until) if until else "?"
    change = _text(row, "change")
    wording = _IN_WORDS.get((change, words["value"])) or _CHANGES.get(change)
    about = wording.format(**words) if wording else change
    return _entry(row, title="Preferences", about=about)


def _other(row: HistoryRow, moments: Moments) -> Entry:
    return _entry(row, title=row.kind, facts=facts_of(row.data))


def _entry(row: HistoryRow, **fields: Any) -> Entry:
    fields.setdefault("message_id", _text(row, "message_id"))
    return Entry(kind=row.kind, at=row.at, rule=row.rule, run=row.run, **fields)


def _text(row: HistoryRow, key: str) -> str:
    value = row.data.get(key)
    return "" if value is None else str(value)


_BY_KIND: Final[Mapping[str, Callable[[HistoryRow, Moments], Entry]]] = {
    "event": _happened,
    "started": _started,
    "asked": _asked,
    "decided": _decided,
    "confirmed": _confirmed,
    "withdrawn": _ceased,
    "ended": _ceased,
    "parked": _ceased,
    "receipt": _receipt,
    "consent": _consent,
    "not_started": _not_started,
    "goal": _goal,
    "note": _note,
    "linked": _joined,
    "absorbed": _joined,
    "adopted": _joined,
    "preferences": _preferences,
}
