"""Commands beside the first script: what they print, what they refuse, and customers with difficult names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from devserver import Server, dev_server, run
from shopper import KETTLE, Shopper

from tactful_console.app import customer_path
from tactful_workbench.shop.secrets import EVERY

ESCAPE = "\x1b[31mred"
pytestmark = pytest.mark.xdist_group("commands")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server; every test has a customer of its own."""
    with dev_server(tmp_path_factory.mktemp("commands")) as running:
        yield running


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Server]:
    """One of whose past nobody else is part: who is refused within a day is told of, and who stops it stops it for all."""
    with dev_server(tmp_path) as running:
        yield running


def test_consent_is_granted_shown_withdrawn_and_verified(server: Server) -> None:
    uma = Shopper(server).known()
    assert f"{uma.id} has neither allowed nor withdrawn anything" in server.told("consent", "show", uma.id)
    granted = server.told("consent", "grant", uma.id, "marketing", "--channel", "email", "--source", "signup-form")
    assert re.fullmatch(rf"{uma.id}: marketing/email granted, entry #\d+\n", granted)
    assert re.search(r"granted +marketing/email +entry #\d+  signup-form", server.told("consent", "show", uma.id))
    server.told("consent", "withdraw", uma.id, "marketing", "--channel", "email")
    assert re.search(r"withdrawn marketing/email", server.told("consent", "show", uma.id))
    once = {"purpose": "marketing.news", "channel": "sms", "state": "granted", "once": True}
    server.post("/v1/track", {"userId": uma.id, "event": "Consent Changed", "properties": once})
    server.advance(by="1s")
    assert re.search(r"granted +marketing\.news/sms .* for one message", server.told("consent", "show", uma.id))
    assert ", for one message" in server.get(f"/console/customers/{uma.id}").text
    verified = server.told("consent", "verify")
    assert re.fullmatch(r"(partition \d: \d+ entries, whole\n){4}", verified)


def test_a_head_of_the_ledger_that_was_noted_is_looked_for(server: Server, tmp_path: Path) -> None:
    server.told("consent", "grant", Shopper(server).known().id, "marketing")
    heads = tmp_path / "heads"
    for _ in range(2):
        server.told("consent", "verify", "--heads", str(heads))
    noted = heads.read_text()
    heads.write_text(re.sub(r"[0-9a-f]{64}", "0" * 64, noted, count=1))
    refused = server.cli("consent", "verify", "--heads", str(heads))
    assert (refused.returncode, refused.stdout.count("BROKEN at entry")) == (1, 1)
    heads.write_text(noted.replace(":", ";"))
    refused = server.cli("consent", "verify", "--heads", str(heads))
    assert (refused.returncode, refused.stderr.count("is no head of a chain")) == (1, 1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("withdraw", "Marketing", "--channel", "email"), 'a purpose is "marketing", "service" or one below them'),
        (("grant", ""), 'a purpose is "marketing"'),
        (("grant", "market"), 'a purpose is "marketing"'),
        (("grant", "marketing", "--channel", "fax"), "channel is one of email, sms, push"),
        (("withdraw", "marketing", "--channel", "Email"), "channel is one of email, sms, push"),
    ],
)
def test_a_slip_of_the_pen_is_no_word_on_consent(server: Server, words: tuple[str, ...], says: str) -> None:
    command, *about = words
    refused = server.cli("consent", command, "slipped", *about)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert says in refused.stderr
    assert "slipped has neither allowed nor withdrawn anything" in server.told("consent", "show", "slipped")


def test_a_word_on_consent_is_about_the_customer_whom_the_door_would_take_it_for(server: Server) -> None:
    assert server.told("consent", "withdraw", " pasted\n").startswith("pasted: marketing/every channel withdrawn")
    for nobody, says in (("", "whose consent is withdrawn?"), (" ", "whose consent"), ("null", "stands for nobody")):
        refused = server.cli("consent", "withdraw", nobody)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert says in refused.stderr


def test_an_event_can_be_sent_by_hand_and_is_told_by_tail_and_dump(server: Server) -> None:
    sent = server.told(
        "events", "send", "Product Added", "--user", "hand", "product_id=p1", "name=Kettle", "price=39.9"
    )
    assert sent == "accepted\n"
    assert re.search(r"events/\d@\d+  hand  Product Added  .*Kettle", server.told("events", "tail"))
    assert server.told("events", "tail", "--latest", "0") == ""
    dumped = [json.loads(line) for line in server.told("events", "dump", "--topics", "events").splitlines()]
    (mine,) = [line for line in dumped if line["record"]["key"] == "hand"]
    assert mine.keys() == {"topic", "partition", "offset", "appended", "record"}
    assert mine["record"]["body"]["properties"]["product_id"] == "p1"


def test_who_follows_the_log_misses_nothing_of_a_busy_second(server: Server) -> None:
    words = [{"type": "track", "userId": "busy", "event": f"Word {number:03}"} for number in range(60)]
    with server.following("events", "tail", "--follow") as said:
        said.wait_for("Settings Changed")
        for part in (words[:30], words[30:]):
            server.post("/v1/batch", {"batch": part})
            said.wait_for(part[-1]["event"])
        assert re.findall(r"  busy  (Word \d+)", said.text) == [word["event"] for word in words]


def test_what_is_sent_by_hand_again_is_said_again(server: Server) -> None:
    for reason in ("deceased", "", "deceased"):
        server.told("events", "send", "Customer Flagged", "--user", "flagged", f"reason={reason}")
    server.advance(by="1s")
    assert server.told("explain", "flagged").count("Customer Flagged") == 3


def test_that_a_feed_is_complete_is_said_by_hand_of_nobody(server: Server) -> None:
    feed = ("events", "send", "Feed Complete", "feed=pos", "through=2026-11-25T06:00+01:00")
    assert server.told(*feed) == "accepted\n"
    refused = server.cli("events", "send", "Product Added", "product_id=p1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--user" in refused.stderr


def test_an_event_with_a_wrong_field_says_where_the_reason_is(server: Server) -> None:
    refused = server.cli("events", "send", "Product Added", "--user", "wrong", "price=dear")
    assert (refused.returncode, "events tail --quarantine" in refused.stdout) == (1, True)
    assert re.search(r"quarantine/\d@\d+ .*price.*dear", server.told("events", "tail", "--quarantine"))


@pytest.mark.parametrize("price", ["NaN", "1e999", r'"\ud800"', pytest.param("[" * 5_000, id="deep")])
def test_a_value_that_is_no_json_is_refused_by_the_door(server: Server, price: str) -> None:
    sent = server.cli("events", "send", "Product Added", "--user", "strange", "product_id=p1", f"price={price}")
    assert (sent.returncode, sent.stdout) == (1, "refused: see `tactful events tail --quarantine`\n")


def test_rows_that_are_wide_are_imported_in_several_requests(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "wide.ndjson"
    rows = [
        {"userId": f"wide-{n}", "order_id": f"o{n}", "timestamp": 1767225600, "note": "x" * 9_000} for n in range(600)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    told = server.told("import", str(file), "--as", "Order Completed")
    assert "600 rows → 600 accepted as history (start nothing), 0 refused\n" in told


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ({"timestamp": "soon"}, "late.ndjson:601: 'soon' is no time; write it like"),
        pytest.param({"note": "x" * 3_000_000}, "late.ndjson:601: 3,000,", id="wide"),
    ],
)
def test_a_row_that_is_wrong_is_found_before_anything_is_posted(
    server: Server, tmp_path: Path, last: dict[str, str], says: str
) -> None:
    file = tmp_path / "late.ndjson"
    rows = [{"userId": "early", "order_id": f"o{n}", "timestamp": 1767225600} for n in range(600)]
    file.write_text("\n".join(map(json.dumps, [*rows, {**rows[0], **last}])))
    refused = server.cli("import", str(file), "--as", "Order Completed")
    assert (refused.returncode, says in " ".join(refused.stderr.split())) == (1, True)
    assert '"early"' not in server.told("events", "dump", "--topics", "events")


def test_a_value_in_a_row_that_nobody_can_read_costs_that_row_alone(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "strange.ndjson"
    file.write_text(
        "\n".join(
            f'{{"userId": "odd", "timestamp": 1767225600, {odd}}}'
            for odd in ('"total": NaN', r'"note": "\ud800"', r'"note": "\ud83d\ude00"')
        )
    )
    told = server.cli("import", str(file), "--as", "Order Completed")
    assert "3 rows → 1 accepted as history (start nothing), 2 refused" in told.stdout
    assert told.returncode == 1, "whoever imports by a script hears of it"
    quarantine = server.told("events", "tail", "--quarantine")
    assert re.search(r"properties\.total .*not a finite number", quarantine)
    assert re.search(r"properties\.note .*a character that no store can keep", quarantine)


def test_a_property_without_a_value_is_refused_with_an_example(server: Server) -> None:
    refused = server.cli("events", "send", "Product Added", "--user", "hand", "price")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert '"price" is not a property; write it like price=39.90' in refused.stderr


def test_a_topic_that_is_not_there_is_refused_with_those_that_are(server: Server) -> None:
    refused = server.cli("events", "dump", "--topics", "evnts")
    assert refused.returncode == 1
    assert "there is no topic evnts; there are: events" in refused.stderr


@pytest.mark.parametrize("wrong", ["not an address", "anna", "", "+34 600 123 456"])
def test_what_is_no_address_leaves_the_allow_list_as_it_is(server: Server, wrong: str) -> None:
    refused = server.cli("sending", "allowlist", "*@myshop.example", wrong)
    assert (refused.returncode, f'"{wrong}" is no address; write anna@myshop' in refused.stderr) == (1, True)
    assert "sending: everybody who consents" in server.told("sending", "show")


@pytest.mark.parametrize("name", ["a/b", "who?", "50%", "x#y", "José Ñ", "a b", "consent/../rules", "a\nb", ".."])
def test_a_customer_with_a_difficult_name_is_explained_and_erased(server: Server, name: str) -> None:
    strange = Shopper(server, name).known().consents("email")
    strange.adds(KETTLE)
    server.advance(by="1s")
    assert "Blue kettle" in strange.explained()
    assert "granted" in server.told("consent", "show", name)
    assert server.get(customer_path(name)).status_code == 200
    assert f"{name} is erased" in server.told("customer", "erase", name, "--yes")


def test_what_a_customer_wrote_cannot_move_the_cursor(server: Server) -> None:
    Shopper(server, ESCAPE).does(ESCAPE, wording=ESCAPE)
    for command in (("events", "tail"), ("explain", ESCAPE), ("consent", "show", ESCAPE)):
        assert "\x1b" not in server.told(*command), command


def test_keys_are_listed_with_what_they_may_and_whether_they_still_may(server: Server) -> None:
    made = server.told("keys", "create", "pos/1", "--kind", "browser")
    assert re.match(r"tk_live_\S+      shown once\. Scope: events; never consent", made)
    assert "pos/1  browser\n" in server.told("keys", "list")
    taken = server.cli("keys", "create", "pos/1")
    assert taken.returncode == 1
    assert "choose another name" in taken.stderr
    server.told("keys", "revoke", "pos/1")
    assert "pos/1  browser  revoked\n" in server.told("keys", "list")


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (("soon",), '"soon"'),
        (("--to", "yesterday"), '"yesterday" is no moment; say a length like 1h, or message, timer, idle'),
        (("--to", "tomorrow 25:00"), '"tomorrow 25:00" is no moment'),
        (("--to", "09:60"), '"09:60" is no moment'),
        (("9999999d",), "the clock ends with the year 8999; nothing was moved"),
        ((), "say how long (`tactful dev advance 1h`) or where to (`--to message`"),
        (("1h", "--to", "message"), "say how long (`tactful dev advance 1h`) or where to (`--to message`"),
    ],
)
def test_a_step_of_the_clock_that_makes_no_sense_moves_nothing(
    server: Server, step: tuple[str, ...], says: str
) -> None:
    before = server.get("/dev/clock").json()["now"]
    refused = server.cli("dev", "advance", *step)
    assert refused.returncode == 1
    assert says in refused.stderr
    assert server.get("/dev/clock").json()["now"] - before < 60_000


def test_the_secrets_of_many_machines_are_made_once_and_without_a_server(tmp_path: Path) -> None:
    made = [run("keys", "secrets", "--data", "mine", "--json", cwd=tmp_path).stdout for _ in range(2)]
    folder = tmp_path / "mine" / "secrets"
    assert made[0] == made[1]
    assert sorted(file.name for file in folder.iterdir()) == sorted(EVERY)
    assert not any(file.stat().st_mode & 0o077 for file in (folder, *folder.iterdir()))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("serve", "all", "--port", "99999"), "less than or equal to 65535"),
        (("dev", "--port", "0"), "greater than or equal to 1"),  # under which no command would find it
        (("templates", "lint", "--templates", "tempaltes"), "tempaltes is no folder"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    refused = run(*arguments, cwd=tmp_path)
    assert (refused.returncode, says in " ".join(refused.stderr.split())) == (2, True)


def test_the_routes_of_the_commands_ask_for_the_token(server: Server) -> None:
    answer = server.http.get("/admin/keys", headers={"Authorization": "Bearer guess"})
    assert answer.status_code in (400, 401, 403)
    assert "server.json" in answer.json()["message"]
    assert (server.data / "server.json").stat().st_mode & 0o077 == 0


def test_who_was_written_to_is_found_by_their_address(server: Server) -> None:
    uma = Shopper(server).known(phone="+34 600 11 22 33").consents("email").consents("sms")
    address = f"{uma.id.upper()}@example.test"
    assert "nobody fits" in server.cli("customer", "find", address).stdout  # nothing was sent there
    uma.adds(KETTLE)
    server.advance(by="3d")
    assert uma.id in server.told("customer", "find", address).splitlines()
    for text in (address, f"  {address} ", "+34 600 112233", uma.id):
        page = server.http.get("/console", params={"q": text})
        assert (page.status_code, page.headers["location"]) == (303, f"/console/customers/{uma.id}")
    server.told("customer", "erase", uma.id, "--yes")
    server.advance(by="1s")
    assert server.cli("customer", "find", address).returncode == 1


def test_an_address_that_bounced_is_written_to_again_once_somebody_at_the_shop_knows_better(server: Server) -> None:
    uma = Shopper(server).known().consents()
    uma.adds(KETTLE)
    [letter] = uma.letters(server.advance(by="1h"))
    server.http.post(f"{letter}/play", data={"act": "bounce"}, follow_redirects=True).raise_for_status()
    wish = ("customer", "reopen", uma.id, "email", "--why", "rang us")
    assert server.told(*wish) == f"{uma.id}: email is written to again; it was shut: bounced\n"
    server.advance(by="1s")
    assert "Address Reopened" in server.told("explain", uma.id)
    again = server.cli(*wish)
    assert (again.returncode, "the address is not shut. Nothing was changed" in again.stderr) == (1, True)


def test_a_customer_is_exported_erased_and_then_unknown(server: Server, tmp_path: Path) -> None:
    uma = Shopper(server).known().consents()
    uma.adds(KETTLE)
    server.advance(by="1s")
    file = tmp_path / "uma.json"
    assert server.told("customer", "export", uma.id, "--to", str(file)) == f"{file}: everything about {uma.id}\n"
    copy = json.loads(file.read_text())
    assert copy["known"]["states"]["cart"]["items"][0]["product_id"] == KETTLE["product_id"]
    assert file.stat().st_mode & 0o077 == 0
    nowhere = server.cli("customer", "export", uma.id, "--to", str(tmp_path / "none" / "uma.json"))
    assert nowhere.returncode == 1
    assert nowhere.stderr.endswith("uma.json cannot be written: No such file or directory\n")
    erased = server.told("customer", "erase", uma.id, "--yes")
    assert re.match(rf"{uma.id} is erased. The log itself is clean on \d{{4}}-\d\d-\d\d;", erased)
    uma.adds(KETTLE)
    server.advance(by="1s")
    refused = server.cli("customer", "export", uma.id)
    assert (refused.returncode, f"{uma.id} was erased; nothing is kept" in refused.stderr) == (1, True)
    withdrawn = server.told("consent", "withdraw", uma.id)
    assert withdrawn == f"{uma.id} was erased: nobody writes to them, and nothing is kept of them, this included\n"
    again = server.told("customer", "erase", uma.id, "--yes")
    assert re.match(rf"{uma.id} was erased on \d{{4}}-\d\d-\d\d already, and nothing had come back. The log", again)
    assert "nothing is known about nobody" in server.cli("customer", "export", "nobody").stderr


@pytest.mark.parametrize("wrong", [str.upper, "{}@x.org".format])
def test_nobody_is_erased_in_place_of_a_customer_whose_id_was_mistyped(
    server: Server, wrong: Callable[[str], str]
) -> None:
    uma = Shopper(server).known()
    server.advance(by="1s")
    noted = (server.data / "erasures").read_text() if (server.data / "erasures").exists() else ""
    refused = server.cli("customer", "erase", wrong(uma.id), "--yes")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"nobody is known as {wrong(uma.id)}; `tactful customer find` finds an id by an address" in refused.stderr
    assert not (server.data / "erasures").exists() or (server.data / "erasures").read_text() == noted
    assert server.cli("customer", "export", uma.id).returncode == 0


def test_a_rule_is_paused_drained_cancelled_and_resumed(server: Server) -> None:
    uma = Shopper(server).known().consents()
    uma.adds(KETTLE)
    server.advance(by="1s")
    for wish, shown in (
        ("pause", "PAUSED"),
        ("resume", ""),
        ("drain", "DRAINED"),
        ("cancel", "DRAINED"),
        ("resume", ""),
    ):
        server.told("rules", wish, "abandoned_cart", *(["--yes"] if wish == "cancel" else []))
        server.advance(by="1s")
        [line] = [line for line in server.told("rules", "list").splitlines() if line.startswith("abandoned_cart ")]
        assert (shown in line, "PAUSED" in line or "DRAINED" in line) == (True, bool(shown))
        still = "1h of quiet; stands still: its rule is paused"
        assert (still in uma.explained()) == (wish == "pause")
    assert "cancelled by an operator" in uma.explained()
    for name in ("nothing", "rules/cart"):
        refused = server.cli("rules", "pause", name)
        assert (refused.returncode, f"there is no rule {name}; there are: abandoned" in refused.stderr) == (1, True)


def test_the_clock_is_moved_by_curl_as_well_and_a_wrong_wish_is_named(server: Server) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}  # what curl says by itself
    moved = server.http.post("/dev/clock", content=b'{"advance": "1m"}', headers=form)
    assert (moved.status_code, moved.json()["timers_fired"]) == (200, 0)
    for body, words in (
        (b"advance=1h", "Invalid JSON"),
        (b'{"by": "1h"}', "by: Extra"),
        (b"{}", 'say {"advance": "1h"}'),
    ):
        refused = server.http.post("/dev/clock", content=body, headers=form)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_step")
        assert words in refused.json()["message"]


def test_a_command_s_body_that_is_wrong_is_answered_with_the_field(server: Server) -> None:
    told = json.loads((server.data / "server.json").read_text())
    refused = server.http.post(
        "/admin/rules/abandoned_cart", json={"wish": "fly"}, headers={"authorization": f"Bearer {told['token']}"}
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert refused.json()["message"].startswith("body.wish: ")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/admin/runs?partition=0&limit=-5", b""),
        ("GET", "/admin/runs?partition=-1", b""),
        ("GET", "/admin/runs?partition=4", b""),
        ("GET", f"/admin/runs?partition={10**30}", b""),
        ("GET", f"/admin/events?behind=events/0@{10**30}", b""),
        ("GET", "/admin/events?behind=events", b""),
        ("POST", "/admin/keys", rb'{"name":"\ud800"}'),
        ("POST", "/admin/keys", rb'{"name":"new","scope":"\ud800"}'),
        ("POST", "/admin/keys", rb'{"name":"new","\ud800":""}'),
    ],
)
def test_what_no_command_asks_is_refused_in_words(server: Server, method: str, path: str, body: bytes) -> None:
    told = json.loads((server.data / "server.json").read_text())
    headers = {"authorization": f"Bearer {told['token']}", "content-type": "application/json"}
    refused = server.http.request(method, path, content=body, headers=headers)
    assert (refused.status_code, bool(refused.json()["message"])) == (400, True)


def test_what_became_of_those_it_wrote_to_is_told_for_each_rule(server: Server) -> None:
    def told() -> tuple[int, int]:
        found = re.search(r"wrote ([\d,]+) times?, of which (\d+)(?: \(.* %\))? reached the goal within 30d", listed())
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def listed() -> str:
        return server.told("rules", "list").partition("canary ")[0]  # abandoned_cart comes first

    server.advance(to="idle")  # of whatever came before
    server.advance(to="tomorrow 14:00")
    before = told()
    uma, ida = (Shopper(server).known().consents("email") for _ in range(2))
    uma.adds(KETTLE)
    ida.adds(KETTLE)
    server.advance(by="1h")
    uma.does("Order Completed", order_id=f"o-{uma.id}", products=[KETTLE])
    server.advance(by="1s")
    assert told() == (before[0] + 2, before[1] + 1)
    assert "goal reached" in uma.explained()


def test_an_imported_customer_meets_a_rule_when_they_are_enrolled(server: Server) -> None:
    uma = Shopper(server).known().consents()
    call = {"userId": uma.id, "event": "Product Added", "properties": KETTLE, "context": {"history": True}}
    assert server.post("/v1/track", call).json() == {"success": True}
    server.advance(by="1s")
    counted = server.told("rules", "enrol", "abandoned_cart", "--since", "1d")
    assert re.match(r"[\d,]+ (or more )?customers would meet abandoned_cart, of those who did within 1d what", counted)
    assert re.search(r"\n    [1-9]\d* would begin", counted)
    assert "started" not in uma.explained()
    assert "customers have met abandoned_cart" in server.told(
        "rules", "enrol", "abandoned_cart", "--since", "1d", "--go", "--per-minute", "100000"
    )
    report = server.advance(by="2h")
    assert ("email", "sent", None) in uma.decisions(report)


def test_the_red_button_stops_everything_at_once_and_what_it_kept_leaves_when_sending_goes_on(alone: Server) -> None:
    uma = Shopper(alone).known().consents()
    uma.adds(KETTLE)
    stopped = alone.told("stop", "--by", "olga", "--why", "wrong price")
    assert stopped == "all sending is stopped by olga\n0 messages are kept; `tactful resume` lets them go\n"
    assert uma.letters(alone.advance("2h")) == []
    assert uma.does("Page Viewed").status_code == 200
    assert "STOPPED by olga since" in alone.told("sending", "show")
    assert "1 held: 1 valid, 0 expired while stopped" in alone.cli("resume").stdout  # and nobody answers
    assert "sending goes on" in alone.told("resume", "--over", "10m", "--yes")
    assert len(uma.letters(alone.advance("15m"))) == 1
    assert "not stopped" in alone.cli("resume", "--yes").stderr


def test_smoke_and_doctor_say_that_it_works(alone: Server) -> None:
    smoked = alone.told("smoke", "--to", "me@shop.example")
    assert re.fullmatch(r"event accepted \d+ ms → rule ran \d+ ms → sent \d+ ms\nok: one message, once\..*\n", smoked)
    listed = alone.told("rules", "list").splitlines()
    canary = next(n for n, line in enumerate(listed) if line.startswith("canary "))
    assert re.fullmatch(r"    wrote \d+ times?", listed[canary + 1])  # it has no goal
    examined = alone.told("doctor")
    assert re.search(r"ok +http://127.0.0.1:\d+/u/… answers", examined)
    assert examined.endswith("0 failures, 0 warnings\n"), examined
