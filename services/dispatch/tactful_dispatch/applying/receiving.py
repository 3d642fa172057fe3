"""Taking what came back: receipts and answers to a message, and who the customer is now. Pure but for the workspace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tactful.answers import HURTS, UNSETTLED
from tactful.decisions import Verdict
from tactful.events.own import REACTIONS
from tactful.identity import digest
from tactful.records import EVENTS, MessageBody, RecipientBody
from tactful_dispatch.applying.announcing import announce
from tactful_dispatch.applying.binding import tell_other_names
from tactful_dispatch.applying.consenting import bind_first_addresses
from tactful_dispatch.applying.contacting import count_reaction
from tactful_dispatch.applying.deciding import finish
from tactful_dispatch.applying.flagging import flag_addresses
from tactful_dispatch.applying.preferring import change_preference, wishes_in
from tactful_dispatch.facts import Contacted
from tactful_dispatch.questions import ANSWERS, OWN_TICKET
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import ACCEPTED, BOUNCED, COMPLAINED, STOPPED, UNKNOWN, WAITING, Delivery
from tactful_dispatch.store import Workspace

MOST_RECEIPTS: Final = 100  # of one message, so that nobody fills its row with replies
WORDED: Final = "answered in words"  # among the receipts


def take_recipient(space: Workspace, book: AddressBook, customer: str, body: RecipientBody) -> None:
    """Take what trigger tells of the customer. If somebody else spoke to them, that counts as a contact, for them and for everybody who
    shares the address, and never as one that found no reaction."""
    row = space.customer(customer)
    flag_addresses(space, book, customer, body)
    known = row.recipient.addresses if row.recipient else {}
    row.recipient = body
    bind_first_addresses(space, book, row, [channel for channel in body.addresses if not known.get(channel)])
    if body.do_not_contact or body.complaint_open:
        row.look_again()
    contact = f"outside-{body.contacted_at}"
    if body.contacted_at and all(known.contact != contact for known in row.contacts):
        by = Contacted(body.contacted_at, body.contacted_on, contact, body.in_touch_with, 0, "", engaged=True)
        row.contacts = _with(row.contacts, by)
        if (key := book.of(body, body.contacted_on)) is not None:
            space.address(key).contacts = _with(space.address(key).contacts, by)


def _with(contacts: Iterable[Contacted], one: Contacted) -> list[Contacted]:
    others = (known for known in contacts if known.contact != one.contact)
    return sorted((*others, one), key=lambda known: known.at)


def take_receipt(space: Workspace, delivery: Delivery, name: str, detail: dict[str, Any], now: int) -> None:
    """Tell of a receipt (`Message Delivered|Opened|...`) once; of each reply, and of a hard bounce also after a soft one. What a machine
    fetched ahead neither counts as a reaction nor hides the person's own."""
    machine, message, customer = bool(detail.get("prefetched")), delivery.message, delivery.message.customer
    key = f"{name} by machine" if machine else " ".join(filter(None, (name, _which(detail))))
    if key in delivery.receipts or ("reply_id" in detail and len(delivery.receipts) >= MOST_RECEIPTS):
        return
    delivery.receipts[key] = now
    if delivery.delivered and delivery.state == UNKNOWN:
        delivery.state = ACCEPTED  # that settles what the attempt could not tell
    if delivery.delivered and delivery.doubtful and delivery.state in WAITING:
        finish(space, delivery, Verdict.SENT, None, now)  # there is nothing to repeat
    if is_noticed(name, detail):
        count_reaction(space, customer, message.message_id)
        tell_other_names(space, customer, now)
    if ended := why_ended(name, detail):
        _suppress(space, delivery, ended)
    told = {
        "message_id": message.message_id,
        "run_id": message.run_id,
        "rule": message.rule,
        "channel": message.channel,
        "at": now,
        **detail,
    }
    space.put(EVENTS, announce(name, digest("receipt", message.message_id, key), customer, now, told))


def _which(detail: Mapping[str, Any]) -> str:
    """What tells receipts of one name apart."""
    return "hard" if detail.get("hard") else detail.get("reply_id", "")


def take_answer(space: Workspace, delivery: Delivery, answer: str, text: str, now: int) -> str:
    """Take an answer to what a message asked; the answer that stands. The first one does, and has its consequences at once. If the same is
    sent once more, now with words, those are told too: a person is to read them."""
    given = next((said for said in ANSWERS if said in delivery.receipts), None)
    if given is not None and (given != answer or not text or WORDED in delivery.receipts):
        return given
    delivery.receipts[answer] = now
    if text:
        delivery.receipts[WORDED] = now
    message, again = delivery.message, () if given is None else (WORDED,)
    customer = message.customer
    # Whoever answers has followed a link in it, also if their browser was taken for a machine: no ladder goes on.
    take_receipt(space, delivery, "Message Clicked", {}, now)

    def tell(name: str, told: dict[str, Any], *which: str) -> None:
        id = digest("answer", message.message_id, name, *which)
        space.put(EVENTS, announce(name, id, customer, now, told))

    for name, told in _said_by(answer, text, message):
        tell(name, told, *again)
    row = space.customer(customer)
    changed = [wish for wish in wishes_in(answer, message) if change_preference(row, wish, now)]
    for wish in changed:
        tell("Preferences Changed", wish, *wish.values())
    if changed:
        tell_other_names(space, customer, now)
    return answer


def _said_by(answer: str, text: str, message: MessageBody) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events that an answer comes to, by name: itself, and a complaint that goes on or begins."""
    yield "Survey Answered", {"survey": message.rule, "answer": answer, "text": text, "message_id": message.message_id}
    if answer == UNSETTLED and "ticket_id" in message.data:
        why = "the customer says that it is not settled"
        yield "Complaint Reopened", {"ticket_id": message.data["ticket_id"], "reason": why, "text": text}
    elif answer in HURTS and text:
        name, subject = f"{OWN_TICKET}{message.message_id}", " ".join(text.split())[:120]
        yield "Complaint Opened", {"ticket_id": name, "subject": subject, "channel": "survey", "text": text}


def is_noticed(name: str, detail: Mapping[str, Any]) -> bool:
    """Whether a person has seen the message, rather than a machine that fetched it ahead."""
    return name in REACTIONS and not detail.get("prefetched")


def why_ended(name: str, detail: Mapping[str, Any]) -> str:
    """Why nothing may go to the address any more after this receipt; "" if that is not so."""
    if name == "Message Complained":
        return COMPLAINED
    if name != "Message Bounced" or not detail.get("hard"):
        return ""
    return STOPPED if detail.get("opted_out") else BOUNCED


def _suppress(space: Workspace, delivery: Delivery, why: str) -> None:
    if delivery.address is not None:
        space.address(delivery.address).suppress(why)
