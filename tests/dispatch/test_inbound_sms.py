"""What comes back by SMS: signed reports, people who text STOP, and whoever pretends to be either."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from dispatchbench import LIVE, DispatchBench, ScriptedAdapter
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from tactful.clock import DAY, HOUR
from tactful.errors import StoreUnavailable
from tactful.events import ConsentChanged, MessageDelivered, MessageReplied
from tactful.settings import Shop
from tactful_dispatch.applying.receiving import MOST_RECEIPTS
from tactful_dispatch.channels import Outcome, Rejected, Retry, Unknown
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.desk.correspondence import Correspondence
from tactful_dispatch.inbound import create_sms
from tactful_dispatch.sms_words import Said, answer, meaning
from tactful_dispatch.state.rows import STOPPED, Delivery
from tactful_dispatch.store.memory import MemoryDispatchStore

PUBLIC = "https://hello.shop.example"
GATEWAY = sms_gateway("twilio://AC1:t0ken@api.twilio.com?from=+34600000001")
NUMBER = "+34600111222"
SHOP = Shop(name="Sample shop", reply_to="hello@shop.example")


class Phone:
    """Somebody's phone, the provider, and the shop between them."""

    def __init__(self, store: MemoryDispatchStore | None = None, **settings: object) -> None:
        self.bench = DispatchBench(
            settings={**LIVE, "caps": {"weekly": {"new": 99}, "sms_gap": "1m", "sms_per_30_days": 99}, **settings},
            store=store,
        )
        self.adapter: ScriptedAdapter = self.bench.adapter
        correspondence = Correspondence(self.bench.store, self.bench.book, self.bench.desk, self.bench.clock)
        app = FastAPI()
        app.include_router(create_sms(self.bench.desk, correspondence, GATEWAY, lambda: PUBLIC, lambda: SHOP))
        self._app = app

    async def post(
        self, path: str, form: Iterable[tuple[str, str]], signature: str | None = None, body: bytes | None = None
    ) -> httpx.Response:
        pairs = list(form)
        signed = GATEWAY.signature(PUBLIC + path, pairs) if signature is None else signature
        headers = {"x-twilio-signature": signed, "content-type": "application/x-www-form-urlencoded"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://inside") as client:
            return await client.post(path, content=urlencode(pairs).encode() if body is None else body, headers=headers)

    async def texts(self, text: str, number: str = NUMBER, **more: str) -> httpx.Response:
        form = {"From": number, "To": "+34600000001", "Body": text, "MessageSid": "SM9", **more}
        return await self.post("/sms/inbound", form.items())

    async def reports(self, message_id: str, status: str, **more: str) -> httpx.Response:
        return await self.post(f"/sms/status/{message_id}", {"MessageStatus": status, **more}.items())

    def knows(self, customer: str = "u1", number: str = NUMBER) -> None:
        self.bench.consenting(customer, addresses={"sms": number})
        self.bench.advance("1s")

    def asks(self, name: str, customer: str = "u1", **more: object) -> str:
        self.bench.asks(name, customer, channel="sms", **more)
        return self.bench.words[-1]


@pytest.fixture
def phone() -> Phone:
    phone = Phone()
    phone.knows()
    return phone


async def test_stop_is_obeyed_by_the_next_message_and_answered_once(phone: Phone) -> None:
    assert phone.asks("m1") == "sent"
    answered = await phone.texts("Stop")
    assert "<Message>Sample shop: you will get no more texts from us.</Message>" in answered.text
    phone.bench.advance("2d")
    assert phone.asks("m2") == "suppressed_address"
    [change] = [e for e in phone.bench.trigger.events if isinstance(e, ConsentChanged) and e.state == "withdrawn"]
    assert (change.purpose, change.channel, change.via) == ("marketing", "sms", "sms-stop")
    number = phone.bench.book.key("sms", NUMBER).hash
    assert change.proof == {"text": "Stop", "provider_id": "SM9", "address": number}


async def test_stop_silences_the_other_channels_too_for_thirty_days() -> None:
    phone = Phone()
    phone.bench.consenting("u1", addresses={"sms": NUMBER, "email": "u1@example.test"})
    phone.bench.advance("1s")
    phone.asks("m1")
    await phone.texts("STOP")
    phone.bench.asks("m2", channel="email")
    assert phone.bench.words[-1] == "withdrawn"


async def test_the_page_knows_that_nothing_reaches_a_number_before_it_says_start(phone: Phone) -> None:
    phone.asks("m1")
    for text, shut in (("STOP", ("sms",)), ("START", ())):
        await phone.texts(text)
        assert (await phone.bench.desk.card("u1")).shut == shut


async def test_stop_from_a_shared_phone_stops_everybody_who_uses_it(phone: Phone) -> None:
    phone.knows("u2")
    phone.asks("m1", "u1")
    phone.bench.advance("1h")
    phone.asks("m2", "u2")
    await phone.texts("stop")
    phone.bench.advance("2d")
    assert [phone.asks("m3", "u1"), phone.asks("m4", "u2")] == ["suppressed_address", "suppressed_address"]


async def test_stop_from_somebody_who_was_never_written_to_binds_the_number_all_the_same(phone: Phone) -> None:
    await phone.texts("stop")
    assert phone.asks("m1") == "suppressed_address"


async def test_start_opens_the_number_again_and_is_no_consent(phone: Phone) -> None:
    phone.asks("m1")
    await phone.texts("STOP")
    await phone.texts("START")
    assert phone.asks("m2") == "withdrawn"
    phone.bench.grants("u1", occurred_at=phone.bench.now + 1)
    phone.bench.advance("1h")
    assert phone.asks("m3") == "sent"


async def opened_again(phone: Phone, name: str) -> str:
    """What becomes of a message after START and a new consent."""
    await phone.texts("START")
    phone.bench.grants("u1", occurred_at=phone.bench.now + 1)
    phone.bench.advance("2d")
    return phone.asks(name)


async def test_start_opens_a_number_of_which_the_provider_says_that_its_owner_opted_out(phone: Phone) -> None:
    phone.adapter.outcomes = [Rejected("21610", "STOP", suppress=True, opted_out=True)]
    assert [phone.asks("m1"), phone.asks("m2")] == ["rejected", "suppressed_address"]
    assert await opened_again(phone, "m3") == "sent"


async def test_start_opens_a_number_that_was_reported_as_opted_out(phone: Phone) -> None:
    phone.asks("m1")
    await phone.reports("m1", "failed", ErrorCode="21610")
    phone.bench.advance("2d")
    assert phone.asks("m2") == "suppressed_address"
    assert await opened_again(phone, "m3") == "sent"


async def test_a_late_report_on_a_text_does_not_take_start_from_who_said_stop(phone: Phone) -> None:
    phone.asks("m1")
    await phone.texts("STOP")
    await phone.reports("m1", "undelivered", ErrorCode="30004")
    assert await opened_again(phone, "m2") == "sent"


async def test_start_gives_nothing_back_to_whoever_has_the_number_and_was_not_written_to_there_yet(
    phone: Phone,
) -> None:
    await phone.texts("STOP")
    await phone.texts("START")
    phone.bench.advance("40d")
    assert phone.asks("m1") == "withdrawn"
    phone.bench.grants("u1")
    assert phone.asks("m2") == "sent"


async def test_start_does_not_open_a_number_that_the_provider_called_dead(phone: Phone) -> None:
    phone.asks("m1")
    await phone.reports("m1", "failed", ErrorCode="30006")
    await phone.texts("START")
    phone.bench.advance("2d")
    assert phone.asks("m2") == "suppressed_address"


async def test_help_is_answered_and_changes_nothing(phone: Phone) -> None:
    phone.asks("m0")
    answered = await phone.texts("help")
    assert "write to hello@shop.example. Reply STOP" in answered.text
    phone.bench.advance("1h")
    assert (phone.asks("m1"), replies(phone)) == ("sent", [])


async def test_what_the_provider_has_answered_itself_is_not_answered_again(phone: Phone) -> None:
    phone.asks("m1")
    answered = await phone.texts("Arret", OptOutType="STOP")
    assert "<Message>" not in answered.text
    assert (await phone.bench.store.address(phone.bench.book.key("sms", NUMBER))).suppressed == STOPPED


async def test_a_reply_belongs_to_the_latest_message_and_is_left_to_a_person(phone: Phone) -> None:
    phone.asks("m1")
    phone.bench.advance("1h")
    phone.asks("m2")
    answered = await phone.texts("Is it still there? <b>")
    phone.bench.settle()
    [reply] = [event for event in phone.bench.trigger.events if isinstance(event, MessageReplied)]
    assert (reply.message_id, reply.text) == ("m2", "Is it still there? <b>")
    assert "<Message>" not in answered.text


def replies(phone: Phone) -> list[tuple[str, str]]:
    phone.bench.settle()
    return [(e.message_id, e.text) for e in phone.bench.trigger.events if isinstance(e, MessageReplied)]


async def test_a_reply_to_a_service_text_is_none_to_an_advertisement_of_before(phone: Phone) -> None:
    phone.asks("m1")
    phone.bench.advance("10d")
    assert phone.asks("m2", purpose="service.pickup") == "sent"
    await phone.texts("I come at six")
    assert replies(phone) == [("m2", "I come at six")]


async def test_a_reply_to_a_service_text_is_heard_where_nothing_was_ever_advertised(phone: Phone) -> None:
    phone.asks("m1", purpose="service.pickup")
    await phone.texts("I come at six")
    assert replies(phone) == [("m1", "I come at six")]


async def test_nobody_replies_to_a_text_that_never_left(phone: Phone) -> None:
    phone.asks("m1")
    phone.bench.advance("1h")
    phone.adapter.outcomes = [Rejected("21610", "refused")]
    assert phone.asks("m2", purpose="service.pickup") == "rejected"
    await phone.texts("Is it still there?")
    assert replies(phone) == [("m1", "Is it still there?")]


@pytest.mark.parametrize("outcome", [Retry(60_000, "429", "busy"), Rejected("30007", "filtered")])
async def test_a_text_that_did_not_leave_takes_no_reply_from_the_one_before(phone: Phone, outcome: Outcome) -> None:
    phone.asks("m1")
    phone.bench.advance("1h")
    phone.asks("m2", purpose="service.order")
    phone.bench.advance("1h")
    phone.adapter.outcomes = [outcome] * 3
    phone.bench.asks("m3", channel="sms", expires_at=phone.bench.now + HOUR)
    phone.bench.advance("4m")
    await phone.texts("Where is it?")
    assert replies(phone) == [("m2", "Where is it?")]


async def test_who_asks_for_help_with_something_is_read_by_a_person(phone: Phone) -> None:
    phone.asks("m1")
    answered = await phone.texts("Help, my parcel never came")
    assert replies(phone) == [("m1", "Help, my parcel never came")]
    assert "<Message>" not in answered.text


async def test_every_reply_is_heard_once_and_nobody_fills_a_row_with_them(phone: Phone) -> None:
    phone.asks("m1")
    for number in (1, 1, *range(2, 200)):
        await phone.texts("Is anybody there?", MessageSid=f"SM{number}")
    phone.bench.settle()
    heard = [event.reply_id for event in phone.bench.trigger.events if isinstance(event, MessageReplied)]
    assert heard[:3] == ["SM1", "SM2", "SM3"]
    assert len(heard) == len(set(heard)) == len(phone.bench.delivery("m1").receipts) == MOST_RECEIPTS


async def test_a_picture_is_told_by_its_address(phone: Phone) -> None:
    phone.asks("m1")
    await phone.texts("", NumMedia="2", MediaUrl0="https://api.example/ME1", MediaUrl1="https://api.example/ME2")
    phone.bench.settle()
    [heard] = [event.text for event in phone.bench.trigger.events if isinstance(event, MessageReplied)]
    assert heard == "https://api.example/ME1\nhttps://api.example/ME2"


async def test_where_the_provider_gives_no_ids_each_text_that_says_something_else_is_heard(phone: Phone) -> None:
    phone.asks("m1")
    for text in ("Hello?", "Hello?", "My parcel never came"):
        await phone.texts(text, MessageSid="")
    phone.bench.settle()
    heard = [event.text for event in phone.bench.trigger.events if isinstance(event, MessageReplied)]
    assert heard == ["Hello?", "My parcel never came"]


async def test_a_reply_from_a_number_that_nobody_wrote_to_is_taken_and_belongs_to_nothing(phone: Phone) -> None:
    assert (await phone.texts("Hello?", number="+34699999999")).status_code == 200


@pytest.mark.parametrize("status", ["delivered", "read"])
async def test_a_report_settles_what_the_attempt_could_not_tell(phone: Phone, status: str) -> None:
    phone.adapter.outcomes = [Unknown("no answer")]
    assert phone.asks("m1") == "outcome_unknown"
    assert phone.bench.delivery("m1").state == "unknown"
    assert (await phone.reports("m1", status)).json() == {"success": True, "noted": "Message Delivered"}
    phone.bench.settle()
    assert phone.bench.delivery("m1").state == "accepted"
    assert [e.message_id for e in phone.bench.trigger.events if isinstance(e, MessageDelivered)] == ["m1"]
    phone.bench.advance("9d")
    assert phone.bench.sent == ["m1"]


async def test_a_report_that_comes_twice_is_told_once(phone: Phone) -> None:
    phone.asks("m1")
    for _ in range(3):
        assert (await phone.reports("m1", "delivered")).status_code == 200
    phone.bench.settle()
    assert len([event for event in phone.bench.trigger.events if isinstance(event, MessageDelivered)]) == 1


async def test_a_report_may_come_before_our_own_commit(phone: Phone) -> None:
    phone.bench.asks("m1", channel="sms", not_before=phone.bench.now + DAY)
    assert (await phone.reports("m1", "delivered")).json()["noted"] == "Message Delivered"


async def test_a_station_on_the_way_is_taken_and_noted_nowhere(phone: Phone) -> None:
    phone.asks("m1")
    assert (await phone.reports("m1", "sent")).json() == {"success": True, "noted": None}


async def test_a_report_on_an_unknown_message_is_answered_so_that_nobody_repeats_it(phone: Phone) -> None:
    answered = await phone.reports("m_nobody", "delivered")
    assert (answered.status_code, answered.json()["code"]) == (200, "unknown_message")


@pytest.mark.parametrize("path", ["/sms/inbound", "/sms/status/m1"])
async def test_without_the_providers_signature_nothing_is_heard(phone: Phone, path: str) -> None:
    phone.asks("m1")
    form = [("From", NUMBER), ("Body", "STOP"), ("MessageStatus", "failed"), ("ErrorCode", "30006")]
    good = GATEWAY.signature(PUBLIC + path, form)
    forged = ["", "x", good[:-2] + ("A=" if good[-2] != "A" else "B="), GATEWAY.signature("http://inside" + path, form)]
    other = sms_gateway("twilio://AC1:other@api.twilio.com?from=Shop").signature(PUBLIC + path, form)
    for signature in (*forged, other):
        answered = await phone.post(path, form, signature)
        assert (answered.status_code, answered.json()["code"]) == (401, "bad_signature")
    phone.bench.advance("2d")
    assert phone.asks("m2") == "sent"


async def test_what_anybody_asks_for_moves_no_cursor_of_whoever_reads_the_log(
    phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    await phone.post("/sms/status/m1%1b[2J%1b]0;x%07%e2%80%ae", [("MessageStatus", "delivered")], "forged")
    assert caplog.text.rstrip("\n").isprintable()
    assert "/sms/status/m1%1B%5B2J" in caplog.text


async def test_a_form_with_a_changed_field_is_refused(phone: Phone) -> None:
    signature = GATEWAY.signature(f"{PUBLIC}/sms/inbound", [("From", NUMBER), ("Body", "Hello")])
    answered = await phone.post("/sms/inbound", [("From", NUMBER), ("Body", "STOP")], signature)
    assert answered.status_code == 401


@given(st.binary(max_size=200))
async def test_whatever_is_posted_is_answered_with_a_reason(body: bytes) -> None:
    answered = await Phone().post("/sms/inbound", [], "x", body)
    assert answered.status_code in (400, 401)


@pytest.mark.parametrize("path", ["/sms/inbound", "/sms/status/m1"])
async def test_a_store_that_is_away_asks_for_patience(path: str) -> None:
    store = ClosingStore(1, lambda: b"0" * 16)
    phone = Phone(store)
    store.closed = True
    answered = await phone.post(path, {"From": NUMBER, "Body": "STOP", "MessageStatus": "delivered"}.items())
    assert (answered.status_code, answered.json()["code"]) == (503, "store_unavailable")
    assert answered.headers["retry-after"] == "30"


class ClosingStore(MemoryDispatchStore):
    """Nothing is found any more, and nothing kept."""

    closed = False

    async def delivery(self, message_id: str) -> Delivery | None:
        if self.closed:
            raise StoreUnavailable("away")
        return await super().delivery(message_id)

    async def transact(self, *args: Any, **more: Any) -> Any:
        if self.closed:
            raise StoreUnavailable("away")
        return await super().transact(*args, **more)


async def test_a_report_larger_than_any_is_refused(phone: Phone) -> None:
    assert (await phone.post("/sms/inbound", [], "x", b"a=" + b"x" * 70_000)).status_code == 413


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("STOP", Said.STOP),
        (" stop. ", Said.STOP),
        ("Stop please!", Said.STOP),
        ("opt out", Said.STOP),
        ("OPTOUT", Said.STOP),
        ("Don\N{RIGHT SINGLE QUOTATION MARK}t text me again", Said.STOP),
        ("Please do not text me", Said.STOP),
        ("no more texts please", Said.STOP),
        ("It does not text well", Said.REPLY),
        ("OPT-OUT", Said.STOP),
        ("Unsubscribe", Said.STOP),
        ("revoke", Said.STOP),
        ("СТОП", Said.STOP),
        ("Baja", Said.STOP),
        ("start", Said.START),
        ("HELP", Said.HELP),
        ("Help!!", Said.HELP),
        ("help please", Said.HELP),
        ("Help, my parcel never came", Said.REPLY),
        ("Info on my order?", Said.REPLY),
        ("Помощь", Said.HELP),
        ("Please stop texting me", Said.STOP),
        ("I want to opt out", Said.STOP),
        ("пожалуйста, стоп", Said.STOP),
        ("Cancel please", Said.STOP),
        ("Can you cancel my order?", Said.REPLY),
        ("Я хочу отписаться", Said.STOP),
        ("Отпишите меня", Said.STOP),
        ("не пишите мне", Said.STOP),
        ("Больше не присылайте!", Said.STOP),
        ("quiero darme de baja", Said.STOP),
        ("Dame de baja por favor", Said.STOP),
        ("Cancelar", Said.STOP),
        ("No más mensajes", Said.STOP),
        ("I'd like to unsubscribe", Said.STOP),
        ("I would like to unsubscribe", Said.STOP),
        ("remove me", Said.STOP),
        ("remove my number", Said.STOP),
        ("take me off your list", Said.STOP),
        ("Do not contact me", Said.STOP),
        ("please do not contact the courier", Said.REPLY),
        ("Opt me out", Said.STOP),
        ("un-subscribe", Said.STOP),
        ("No, stop texting me", Said.STOP),
        ("No, cancel my order", Said.REPLY),
        ("No start", Said.REPLY),
        ("No quiero alta", Said.REPLY),
        ("No help", Said.REPLY),
        ("Start, no problem", Said.START),
        ("text STOP", Said.STOP),
        ("text me when it is back", Said.REPLY),
        ("\uff33\uff34\uff2f\uff30", Said.STOP),
        ("нет, стоп", Said.STOP),
        ("Нет, спасибо", Said.REPLY),
        ("отстаньте", Said.STOP),
        ("удалите мой номер", Said.STOP),
        ("не надо мне писать", Said.STOP),
        ("Please remove me from your list", Said.STOP),
        ("Thanks, stop", Said.STOP),
        ("Reply STOP", Said.STOP),
        ("Ответьте СТОП", Said.STOP),
        ("Leave me alone!", Said.STOP),
        ("Прекратите!", Said.STOP),
        ("Хватит, пожалуйста", Said.STOP),
        ("Dar de baja", Said.STOP),
        ("No quiero más mensajes", Said.STOP),
        ("Reply to me when you have stopped the leak", Said.REPLY),
        ("No quiero más tazas", Said.REPLY),
        ("Хватит ли одной пачки?", Said.REPLY),
        ("Cancelar mi pedido", Said.REPLY),
        ("Quiero cancelar mi pedido", Said.REPLY),
        ("Remove one cup from my order", Said.REPLY),
        ("Es de baja calidad", Said.REPLY),
        ("No más de dos tazas", Said.REPLY),
        ("Я хочу отмена заказа", Said.REPLY),
        ("Вы не пишете, когда привезут", Said.REPLY),
        ("I like to start early", Said.REPLY),
        ("Thanks!", Said.REPLY),
        ("Please!", Said.REPLY),
        ("do not stop", Said.REPLY),
        ("", Said.REPLY),
        ("\N{THUMBS UP SIGN}", Said.REPLY),
    ],
)
def test_the_first_word_but_courtesies_decides(text: str, said: Said) -> None:
    assert meaning(text) is said


@pytest.mark.parametrize("locale", ["en", "ru", "ru-RU", "es", ""])
def test_every_answer_names_the_shop_and_a_reply_has_none(locale: str) -> None:
    assert all("Лавка" in answer(said, "Лавка", "x@y.z", locale) for said in (Said.STOP, Said.START, Said.HELP))
    assert answer(Said.REPLY, "Лавка", "x@y.z", locale) == ""
