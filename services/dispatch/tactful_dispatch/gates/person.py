"""Gates about who the recipient is and what they allow."""

from __future__ import annotations

from typing import Any, Final

from tactful.channels import DESK
from tactful.clock import DAY
from tactful.decisions import GateRecord, Reason, Scope
from tactful.durations import milliseconds
from tactful.purposes import COMPLAINT, covers, is_marketing
from tactful.records import MessageBody, Rest
from tactful_dispatch.facts import Facts, Word, latest_word
from tactful_dispatch.gates.verdicts import open_gate, refused
from tactful_dispatch.topics import topic_name, topics_of

SILENCE: Final = 30 * DAY  # after a withdrawal, on every channel
_BROWSING: Final = frozenset({"cart", "session", "interests"})


def erased(message: MessageBody, facts: Facts) -> GateRecord:
    """An erased customer is nobody's customer."""
    return refused("erased", Reason.ERASED) if facts.erased else open_gate("erased")


def do_not_contact(message: MessageBody, facts: Facts) -> GateRecord:
    """Flagged: not even service messages."""
    flag = facts.recipient.do_not_contact if facts.recipient and message.channel != DESK else ""
    return refused("do not contact", Reason.DO_NOT_CONTACT, why=flag) if flag else open_gate("do not contact")


def no_address(message: MessageBody, facts: Facts) -> GateRecord:
    """Nothing to send to on this channel, or nobody who sends there."""
    if not facts.address:
        return refused("no address", Reason.NO_ADDRESS, Scope.CHANNEL, channel=message.channel)
    if not facts.has_adapter:
        return refused("no address", Reason.NO_ADDRESS, Scope.CHANNEL, channel=message.channel, adapter="none")
    return open_gate("no address")


def suppressed_address(message: MessageBody, facts: Facts) -> GateRecord:
    """The address bounced or complained; others read along there, for whom the gift may be; or its owner was asked already."""
    why = facts.suppressed or ("a gift, and others read along" if _is_gift(message) and facts.address_shared else "")
    if why:
        return refused("suppressed address", Reason.SUPPRESSED_ADDRESS, Scope.CHANNEL, why=why, **_listed(facts))
    if facts.unanswered_since:
        return refused("suppressed address", Reason.SUPPRESSED_ADDRESS, Scope.CHANNEL, asked_at=facts.unanswered_since)
    return open_gate("suppressed address")


def _listed(facts: Facts) -> dict[str, Any]:
    return {"on_list_of": facts.on_list_of} if facts.on_list_of else {}


def _is_gift(message: MessageBody) -> bool:
    return message.data.get("gift") is True


def consent(message: MessageBody, facts: Facts) -> GateRecord:
    """Marketing needs a grant on this channel, and no withdrawal on any within thirty days."""
    if message.channel == DESK:
        return open_gate("consent", channel=DESK)
    if not is_marketing(message.purpose):
        return _objection(message, facts)
    # What was granted for one message on another channel says nothing of this one: the silence stands around it.
    words = [word for word in facts.words if not word.once or word.channel in ("", message.channel)]
    anywhere, here = latest_word(words, message.purpose, None), latest_word(words, message.purpose, message.channel)
    if anywhere is not None and anywhere.state == "withdrawn" and facts.now - anywhere.at < SILENCE:
        return refused(
            "consent", Reason.WITHDRAWN, Scope.CUSTOMER, **_told(message, anywhere), silent_until=anywhere.at + SILENCE
        )
    if max(0, facts.now - SILENCE) < facts.left_at and (anywhere is None or anywhere.at < facts.left_at):
        said = {"purpose": message.purpose, "channel": message.channel, "withdrawn_at": facts.left_at}
        return refused("consent", Reason.WITHDRAWN, **said, silent_until=facts.left_at + SILENCE, **_listed(facts))
    if here is None or here.state != "granted":
        return refused("consent", Reason.NO_CONSENT, Scope.CHANNEL, **_told(message, here))
    if facts.address_withdrawn_at > here.at:
        said = {"purpose": message.purpose, "channel": message.channel, "withdrawn_at": facts.address_withdrawn_at}
        return refused("consent", Reason.WITHDRAWN, Scope.CHANNEL, **said, **_listed(facts))
    return open_gate("consent", **_told(message, here))


def _objection(message: MessageBody, facts: Facts) -> GateRecord:
    """Service messages rest on the contract; an objection is obeyed all the same."""
    word = latest_word(facts.words, message.purpose, message.channel)
    if word is not None and word.state == "withdrawn":
        return refused("consent", Reason.WITHDRAWN, Scope.CUSTOMER, **_told(message, word))
    return open_gate("consent", basis="contract")


def _told(message: MessageBody, word: Word | None) -> dict[str, Any]:
    said: dict[str, Any] = {"purpose": message.purpose, "channel": message.channel}
    if word is None:
        return said
    return said | {
        "entry": word.entry,
        "state": word.state,
        "at": word.at,
        "basis": word.basis,
        "wording": word.wording,
        "via": word.via,
    }


def own_settings(message: MessageBody, facts: Facts) -> GateRecord:
    """What the customer chose on the preference page. "Not this kind" is an objection, which service messages obey as well; and who
    wants to hear nothing is not asked either whether a complaint is settled."""
    if facts.stopped_all and (is_marketing(message.purpose) or covers(COMPLAINT, message.purpose)):
        return refused("own settings", Reason.WITHDRAWN, purpose=message.purpose, stopped_all=True)
    if message.rule in facts.muted_rules and message.channel != DESK:
        return refused("own settings", Reason.MUTED_RULE, rule=message.rule)
    if not is_marketing(message.purpose):
        return open_gate("own settings")
    if topics := _muted(message, facts):
        return refused("own settings", Reason.MUTED_TOPIC, purpose=message.purpose, topics=topics)
    if facts.now < facts.paused_until:
        return refused("own settings", Reason.PAUSED, until=facts.paused_until)
    if facts.personalisation == "none" and _BROWSING.intersection(message.uses):
        return refused("own settings", Reason.PERSONALISATION, uses=", ".join(message.uses))
    return open_gate("own settings")


def _muted(message: MessageBody, facts: Facts) -> str:
    """What the message is about, if all of it is what the customer wants to hear nothing of."""
    topics = topics_of(message)
    return ", ".join(topics) if topics and set(topics) <= set(map(topic_name, facts.muted_topics)) else ""


def complaint_open(message: MessageBody, facts: Facts) -> GateRecord:
    """Nobody with an open complaint is advertised to. Not knowing the recipient is no permission."""
    if is_marketing(message.purpose) and (facts.recipient is None or facts.recipient.complaint_open):
        return refused("complaint open", Reason.COMPLAINT_OPEN)
    return open_gate("complaint open")


def resting(message: MessageBody, facts: Facts) -> GateRecord:
    """An order, a late delivery, a complaint or a refund is too recent."""
    rests = facts.recipient.rests if facts.recipient and is_marketing(message.purpose) else ()
    until, why = max(((_rests_until(rest, facts), rest.why) for rest in rests), default=(0, ""))
    if until > facts.now:
        return refused("resting", Reason.RESTING, until=until, why=why)
    return open_gate("resting")


def _rests_until(rest: Rest, facts: Facts) -> int:
    """By the settings of now: who asks whether they may speak to a customer asks no run, which would have told of a change."""
    if not rest.since:
        return rest.until
    lengths = facts.settings.resting
    return rest.since + milliseconds(lengths.order if rest.why == "late_delivery" else getattr(lengths, rest.why))
