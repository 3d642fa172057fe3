"""A store that was restored from the past: what dispatch has said since is taken from the log, and then it goes on."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy

import pytest
from dispatchbench import DispatchBench
from enginebench import GRAVES, drive

from tactful.errors import RewoundStore, TactfulError
from tactful.log import Stored
from tactful.log.memory import MemoryHints
from tactful.log.partitioning import partition_of
from tactful.partitions.leases import OwnTime
from tactful.partitions.outbox import Taken
from tactful.purposes import SMS_STOP
from tactful.records import DISPATCH, EVENTS, EventRecord, MessageRecord, Origin, decode_events
from tactful_dispatch.channels import Unknown
from tactful_dispatch.desk.correspondence import Correspondence
from tactful_dispatch.desk.reception import Reception
from tactful_dispatch.facts import standing
from tactful_dispatch.restoring import Reader, Restoration
from tactful_dispatch.state.ledger import broken_at

PARTITIONS = 4


class Shop:
    """One whose store can be set back; the log stays as it is."""

    def __init__(self) -> None:
        self.hints = MemoryHints()
        self.bench = DispatchBench(partitions=PARTITIONS, hints=self.hints)
        self.claim()
        self._kept = deepcopy(self.bench.store)

    def claim(self) -> None:
        drive(self.bench.worker.claim())

    def back_up(self) -> None:
        self.bench.settle()
        self._kept = deepcopy(self.bench.store)

    def restore(self) -> None:
        """Everything stops; the database is from the past; everything starts."""
        bench = self.bench
        bench.settle()
        drive(bench.worker.mark())
        drive(bench.worker.release())
        bench.store = deepcopy(self._kept)
        bench.clock.forward_to(bench.now + 11_000)  # the lease in the back-up has ended
        bench.desk = Reception(bench.store, bench.book, GRAVES, bench.clock, bench.log, lambda: None)
        bench.restart()

    def settles(self, readers: dict[int, Reader] | None = None) -> Counter[str]:
        """By hand, before dispatch is started again."""
        bench = self.bench
        restoration = Restoration(
            bench.log, bench.store, bench.book, self.hints, OwnTime(bench.clock), "tactful db settle"
        )
        return sum(drive(restoration.run(readers or {})).values(), Counter())

    def restores_a_join(self, other: str) -> None:
        """Somebody turns out to be ann after the back-up: the log alone still knows."""
        self.bench.link(other, "ann")
        self.restore()
        self.settles()
        self.claim()

    def heard(self) -> list[str]:
        """Ids of what a reader of dispatch's words takes for new."""
        ids = []
        for partition in range(PARTITIONS):
            taken = Taken({})
            for stored in drive(self.bench.log.read(EVENTS, partition, 0, 10_000)):
                record = decode_events(stored.value)
                if taken.take(record.origin) and isinstance(record, EventRecord):
                    ids.append(record.id)
        return ids


@pytest.fixture
def shop() -> Shop:
    """Ann and bob have had a message each when the back-up is made; then everything else happens."""
    shop = Shop()
    bench = shop.bench
    for customer in ("ann", "bob", "cleo", "dan"):
        bench.consenting(customer)
    bench.asks("before", "ann")
    shop.back_up()
    bench.grants("bob", "marketing.cart", "email")  # through the door: it is read again by itself
    bench.asks("after", "bob")
    bench.adapter.outcomes.append(Unknown("the line was cut"))
    bench.asks("doubtful", "cleo")
    drive(bench.desk.consent("ann", "marketing", "email", "withdrawn", via="one-click"))
    drive(bench.desk.mute("bob", "cart", True))
    drive(bench.desk.pause("cleo", bench.now + 1_000_000))
    drive(bench.desk.prefer("cleo", "at_most_days", "7"))
    drive(bench.desk.stop_all("dan", "page"))
    drive(bench.desk.receipt("after", "Message Opened", {}))
    drive(bench.desk.receipt("after", "Message Bounced", {"hard": True}))
    bench.settle()
    return shop


def test_nothing_is_sent_from_it_before_that(shop: Shop) -> None:
    shop.restore()
    shop.claim()
    assert shop.bench.worker.stopped.keys() == {partition_of("bob", PARTITIONS), *shop.bench.worker.stopped}
    assert all(isinstance(error, RewoundStore) for error in shop.bench.worker.stopped.values())


def test_nobody_is_written_to_a_second_time_and_every_wish_stands(shop: Shop) -> None:
    before = list(shop.bench.sent)
    shop.restore()
    assert shop.settles() == {"decision": 2, "consent": 2, "preference": 4, "address": 1}
    shop.claim()
    assert shop.bench.worker.stopped == {}
    shop.bench.settle()  # what had been asked for is read again
    assert shop.bench.sent == before == ["before", "after", "doubtful"]
    ann, bob, cleo, dan = (shop.bench.row(name) for name in ("ann", "bob", "cleo", "dan"))
    assert [(word.channel, word.state) for word in standing(ann.words)][-1] == ("email", "withdrawn")
    assert bob.muted_rules == ["cart"]
    assert (cleo.paused_until > 0, cleo.at_most_days) == (True, 7)
    assert dan.stopped_at > 0
    assert [(c.message_id, c.engaged) for c in bob.contacts] == [("after", True)]  # it counts
    assert [shop.bench.delivery(name).reason for name in ("after", "doubtful")] == ["", "outcome_unknown"]
    assert shop.bench.delivery("after").subject == "about {}"
    key = shop.bench.book.of(bob.recipient, "email")
    assert key is not None
    assert drive(shop.bench.store.address(key)).suppressed == "bounced"
    for partition in range(PARTITIONS):
        assert broken_at(drive(shop.bench.store.ledger(partition))) is None


def test_who_has_been_written_to_at_an_address_is_known_there(shop: Shop) -> None:
    bench = shop.bench
    for customer in ("eve", "fay"):
        bench.consenting(customer, addresses={"email": "home@example.test"}, first_name=customer.title())
    shop.back_up()
    bench.asks("e1", "eve")
    shop.restore()
    shop.settles()
    shop.claim()
    row = drive(bench.store.address(bench.book.key("email", "home@example.test")))
    assert (row.customers, row.latest) == (["eve"], "e1")
    bench.asks("f1", "fay", purpose="service.order")
    assert [letter.rendered.text for letter in bench.adapter.sent[-2:]] == ["Hello Eve", "Hello you"]


OLD, NEW = {"email": "old@example.test"}, {"email": "new@example.test"}


def test_what_came_back_counts_for_the_address_that_the_message_went_to(shop: Shop) -> None:
    bench = shop.bench
    bench.consenting("eve", addresses=OLD)
    bench.asks("e1", "eve")
    bench.knows("eve", addresses=NEW)
    shop.back_up()
    drive(bench.desk.receipt("e1", "Message Bounced", {"hard": True}))
    shop.restore()
    shop.settles()
    rows = [drive(bench.store.address(bench.book.key("email", each["email"]))) for each in (OLD, NEW)]
    assert [row.shut for row in rows] == ["bounced", ""]


def test_who_unsubscribed_through_a_message_did_so_in_that_mailbox(shop: Shop) -> None:
    bench = shop.bench
    for customer in ("eve", "fay"):
        bench.consenting(customer, addresses=OLD)
    bench.asks("e1", "eve")
    bench.knows("eve", addresses=NEW)
    bench.advance("8d")
    shop.back_up()
    proof = {"message_id": "e1"}
    drive(bench.desk.consent("eve", "marketing", "email", "withdrawn", via="one-click", proof=proof))
    shop.restore()
    shop.settles()
    shop.claim()
    bench.asks("f1", "fay")
    assert bench.words[-1] == "withdrawn"


def test_a_phone_whose_owner_has_texted_stop_gets_nothing(shop: Shop) -> None:
    bench, number = shop.bench, "+34600111222"
    for customer in ("eve", "fay"):
        bench.consenting(customer, addresses={"sms": number})
        bench.asks(f"{customer}1", customer, channel="sms", purpose="service.order")
    bench.knows("fay", addresses={"sms": "+34600333444"})
    shop.back_up()
    phone = Correspondence(bench.store, bench.book, bench.desk, bench.clock)
    drive(phone.stop("sms", number, SMS_STOP, {"text": "STOP"}))
    shop.restore()
    shop.settles()
    shop.claim()
    for customer in ("eve", "fay"):
        bench.asks(f"{customer}2", customer, channel="sms", purpose="service.order")
    assert bench.words[-2:] == ["suppressed_address", "sent"]


def test_an_address_that_was_opened_again_is_open(shop: Shop) -> None:
    drive(shop.bench.desk.reopen("bob", "email", "eve", "rang us"))
    shop.restore()
    shop.settles()
    key = shop.bench.book.of(shop.bench.row("bob").recipient, "email")
    assert key is not None
    assert drive(shop.bench.store.address(key)).shut == ""


def test_what_a_visitor_granted_is_not_taken_for_the_customers_own_word() -> None:
    shop = Shop()
    bench = shop.bench
    bench.consenting("ann")
    bench.advance("1h")
    drive(bench.desk.consent("ann", "marketing", "email", "withdrawn", via="one-click"))
    bench.advance("1h")
    bench.grants("anon:a1")
    shop.back_up()
    shop.restores_a_join("anon:a1")
    bench.asks("m1", "ann")
    assert bench.words == ["withdrawn"]


def test_what_came_over_with_an_account_is_no_later_word_than_it_was() -> None:
    shop = Shop()
    bench = shop.bench
    bench.consenting("bob")
    bench.consenting("ann")
    shop.back_up()
    bench.advance("1h")
    drive(bench.desk.consent("ann", "marketing", "email", "withdrawn", via="one-click"))
    bench.advance("1h")
    shop.restores_a_join("bob")
    bench.asks("m1", "ann")
    assert bench.words == ["withdrawn"]


def test_what_came_over_with_an_account_does_not_end_a_stop_either() -> None:
    shop = Shop()
    bench = shop.bench
    bench.consenting("ann")
    bench.settle()
    drive(bench.desk.stop_all("ann", "page"))
    bench.advance("1h")
    bench.grants("bob", channel="push")
    shop.back_up()
    shop.restores_a_join("bob")
    bench.settle()
    assert drive(bench.desk.card("ann")).stopped


def test_what_is_said_afterwards_is_no_repeat_to_its_readers(shop: Shop) -> None:
    shop.restore()
    shop.settles()
    shop.claim()
    for number in range(12):
        shop.bench.consenting(f"new{number}")
        shop.bench.asks(f"later{number}", f"new{number}")
    told = [decision for decision in shop.bench.decisions if decision.message_id.startswith("later")]
    assert len(told) == 12
    assert {decision.meta.id for decision in told} <= set(shop.heard())


def test_what_trigger_has_asked_of_dispatch_is_not_counted_as_said_by_dispatch(shop: Shop) -> None:
    bench, partition = shop.bench, partition_of("ann", PARTITIONS)
    for number in range(1, 4):
        wish, origin = bench.wish(f"t{number}", "ann", purpose="service.order"), Origin(EVENTS, partition, number)
        bench.append(MessageRecord(id=wish.message_id, key="ann", at=bench.now, body=wish, origin=origin))
    shop.restore()
    shop.settles()
    assert f"{DISPATCH}/{partition}" not in drive(bench.store.cursor(partition)).sequences


def test_a_second_time_there_is_nothing_left_to_remember(shop: Shop) -> None:
    shop.restore()
    shop.settles()
    rows = [shop.bench.row(name) for name in ("ann", "bob", "cleo", "dan")]
    assert shop.settles() == {}
    assert [shop.bench.row(name) for name in ("ann", "bob", "cleo", "dan")] == rows


def reader(shop: Shop, partition: int, end: int) -> Reader:
    """Trigger, which has read everything before an offset."""
    taken = Taken({})
    for stored in drive(shop.bench.log.read(EVENTS, partition, 0, end)) if end else ():
        taken.take(decode_events(stored.value).origin)
    return Reader(end, taken.last)


def test_looking_begins_where_trigger_reads_on(shop: Shop) -> None:
    partition = partition_of("ann", PARTITIONS)
    shop.restore()
    known = drive(shop.bench.store.cursor(partition)).sequences[f"{EVENTS}/{partition}"]
    readers = {partition: reader(shop, partition, known)}
    offsets = []
    read = shop.bench.log.read

    async def watched(topic: str, number: int, offset: int, limit: int) -> list[Stored]:
        offsets.append((topic, number, offset))
        return await read(topic, number, offset, limit)

    shop.bench.log.read = watched  # type: ignore[assignment, method-assign]
    assert shop.settles(readers)["decision"] == 2
    assert (EVENTS, partition, known) in offsets
    assert (EVENTS, partition, 0) not in offsets


def test_where_trigger_has_gone_on_meanwhile_looking_begins_at_the_beginning(shop: Shop) -> None:
    shop.restore()
    ends = {partition: drive(shop.bench.log.end(EVENTS, partition)) for partition in range(PARTITIONS)}
    assert shop.settles({partition: reader(shop, partition, end) for partition, end in ends.items()})["decision"] == 2


def test_while_a_dispatch_runs_it_is_refused_and_keeps_no_partition_from_it(shop: Shop) -> None:
    shop.restore()
    drive(shop.bench.store.claim(2, "another", shop.bench.now, shop.bench.now + 10_000))
    with pytest.raises(TactfulError, match="a dispatch owns partition 2; stop every dispatch"):
        shop.settles()
    shop.claim()
    assert shop.bench.worker.owned.keys() == {0, 1, 3}


def test_a_message_that_was_held_when_the_back_up_was_made_and_has_left_since_does_not_leave_again() -> None:
    shop = Shop()
    bench = shop.bench
    bench.consenting("ann")
    bench.asks("held", "ann", not_before=bench.now + 3_600_000)
    shop.back_up()
    bench.advance("2h")
    assert bench.sent == ["held"]
    shop.restore()
    assert shop.settles() == {"decision": 1}
    shop.claim()
    bench.advance("2h")
    assert bench.sent == ["held"]


def test_what_did_not_leave_counts_as_no_contact() -> None:
    shop = Shop()
    shop.bench.knows("ann")
    shop.back_up()
    shop.bench.asks("refused", "ann")
    shop.restore()
    assert shop.settles() == {"decision": 1}
    assert (shop.bench.row("ann").contacts, shop.bench.delivery("refused").reason) == ([], "no_consent")


def test_nothing_was_forgotten_where_nothing_was_said() -> None:
    shop = Shop()
    shop.bench.consenting("ann")
    shop.back_up()
    shop.restore()
    assert shop.settles() == {}
