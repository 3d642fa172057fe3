"""The text of `tactful explain`: a timeline in a terminal, one line a thing, oldest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from tactful.clock import DAY
from tactful_console.entries import Entry, Tone, Upcoming
from tactful_console.moments import Moments
from tactful_console.terminal import printable
from tactful_console.timeline import Timeline

Say = Callable[[int], str]


def explain_text(story: Timeline, now: int) -> str:
    """The story without a newline at its end. Says what to do where a message was not sent and the shop can mend it."""
    if not story.entries and not story.upcoming:
        return printable(f"nothing is known of {story.customer}")
    moments = Moments.of(story.zone, story.zone)
    say, named = _say(story, now, moments), len({entry.rule for entry in story.entries if entry.run}) > 1
    lines = [line for part in _episodes(story.entries) for line in _lines(part, say, named)]
    lines += [_upcoming(part, say) for part in story.upcoming]
    lines += [f"to allow it:  {fix}" for fix in _fixes(story.entries)]
    return "\n".join(printable(line).rstrip() for line in lines)


def _fixes(entries: tuple[Entry, ...]) -> Iterator[str]:
    """What would let messages leave, for the latest run that got a decision alone: earlier ones may long be mended. Nothing if
    the customer's consent has changed since."""
    latest = next((n for n in range(len(entries) - 1, -1, -1) if entries[n].kind == "decided"), None)
    if latest is None or any(entry.kind == "consent" for entry in entries[latest:]):
        return
    fixes = (entry.fix for entry in entries if entry.kind == "decided" and entry.run == entries[latest].run)
    yield from dict.fromkeys(fix for fix in fixes if fix)


def _say(story: Timeline, now: int, moments: Moments) -> Say:
    """Days of the week are enough within six days, of which this is one."""
    coming = (part.at for part in story.upcoming if part.at is not None)
    instants = [now, *(entry.at for entry in story.entries), *coming]
    return moments.short if max(instants) - min(instants) < 6 * DAY else moments.full


def _episodes(entries: tuple[Entry, ...]) -> Iterator[list[Entry]]:
    """What one run was refused at one instant, with its end, is one line; everything else stands alone."""
    for (_, _, joins), group in groupby(entries, key=lambda entry: (entry.at, entry.run, _joins(entry))):
        parts = list(group)
        if joins and parts[0].kind == "decided":
            yield parts
        else:
            yield from ([part] for part in parts)


def _joins(entry: Entry) -> bool:
    refused = entry.kind == "decided" and entry.chip is not None and entry.chip.tone is Tone.REFUSED
    return bool(entry.run) and (refused or entry.kind == "ended")


def _lines(parts: list[Entry], say: Say, named: bool) -> Iterator[str]:
    """`named`: a decision says which message it is about, since runs of several rules are told of."""
    first, *others = parts
    when = say(first.at)
    if first.kind == "decided":
        yield f"{when}    {_message(first) + '  ' if named else ''}{_verdict(first)}{''.join(map(_also, others))}"
        return
    word = f" {first.chip.word}" if first.chip is not None else ""
    match first.kind:
        case "event":
            told = "".join(f", {sentence}" for sentence in first.sentences)
            yield f"{when}  {first.title:<15} {first.about:<31} {first.ref}{told}"
        case "consent" | "receipt" | "preferences":
            yield f"{when}  {first.title:<15} {first.about + word:<31} {first.ref}"
        case _:
            yield f"{when}  {first.title}{word}{''.join(f', {sentence}' for sentence in first.sentences)}"


def _message(entry: Entry) -> str:
    return next((fact.value for fact in entry.facts if fact.name == "template"), entry.rule)


def _verdict(entry: Entry) -> str:
    word = entry.chip.word.upper() if entry.chip is not None else ""
    told = " · ".join(entry.sentences)
    return "  ".join(part for part in (f"{entry.title:<5}", word, entry.about, told) if part)


def _also(entry: Entry) -> str:
    if entry.kind == "ended":
        return f" → ended, {', '.join(entry.sentences)}"
    return f" · {entry.title} {entry.about}"


def _upcoming(part: Upcoming, say: Say) -> str:
    until = f" until {say(part.at)}" if part.at is not None else ""
    return f"{part.chip.word}{until}: {part.rule}  {part.text}"
