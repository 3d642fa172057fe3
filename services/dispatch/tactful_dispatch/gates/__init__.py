"""The gates in the order in which they are asked. The first that is not open decides.

Holds stand before whatever depends on the moment of sending; what is only withheld stands last.
"""

from __future__ import annotations

from typing import Final

from tactful.decisions import GateRecord, GateVerdict
from tactful.records import MessageBody
from tactful_dispatch.facts import Facts
from tactful_dispatch.gates import person, release, standing, tact
from tactful_dispatch.gates.budget import budget
from tactful_dispatch.gates.verdicts import Gate

ORDER: Final[tuple[Gate, ...]] = (
    standing.cancelled,
    standing.expired,
    standing.duplicate,
    standing.log_not_read,
    standing.stopped,
    person.erased,
    person.do_not_contact,
    person.no_address,
    person.suppressed_address,
    person.consent,
    person.own_settings,
    person.complaint_open,
    person.resting,
    tact.in_touch,
    standing.not_yet,
    tact.quiet_hours,
    budget,
    tact.gap,
    standing.content,
    release.holdout,
    release.shadow,
    release.not_allowed,
    standing.provider,
)


WISHES: Final[tuple[Gate, ...]] = (person.do_not_contact, person.consent, person.own_settings, person.complaint_open)
"""What the customer decides, or befalls them: asked at once, also of what is held, when it is heard of."""


_OF_A_MESSAGE: Final = (
    standing.cancelled,
    standing.expired,
    standing.duplicate,
    standing.stopped,
    standing.not_yet,
    standing.content,
    release.holdout,
    release.shadow,
    release.not_allowed,
    standing.provider,
)
INQUIRY: Final[tuple[Gate, ...]] = tuple(gate for gate in ORDER if gate not in _OF_A_MESSAGE)
"""What is left when there is no message yet: whether anybody may speak to the customer now."""


def judge(message: MessageBody, facts: Facts, gates: tuple[Gate, ...] = ORDER) -> list[GateRecord]:
    """The verdicts up to the first gate that is not open; all open means that the message may leave."""
    records = []
    for gate in gates:
        try:
            record = gate(message, facts)
        except Exception as error:  # noqa: BLE001 - it holds this message, and nobody else's
            record = standing.unreadable(gate, message, facts, error)
        records.append(record)
        if record.verdict is not GateVerdict.OPEN:
            break
    return records
