"""A shop that moves in from another sender: whom that one must not write to is not written to here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from devserver import Server, dev_server
from shopper import KETTLE, Shopper

pytestmark = pytest.mark.xdist_group("moving in")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server; every test has customers of its own."""
    with dev_server(tmp_path_factory.mktemp("moving")) as running:
        yield running


def test_who_unsubscribed_at_the_sender_before_is_refused_with_the_list_named_until_they_say_yes_again(
    server: Server, tmp_path: Path
) -> None:
    uma, list_ = Shopper(server), tmp_path / "unsubscribed.csv"
    list_.write_text(
        f"Email Address,UNSUB_TIME\n{uma.id.upper()}@Example.test,2026-11-20 10:11:12\nnobody,2020-01-01\n"
    )
    suppress = ("consent", "suppress", str(list_), "--source", "mailchimp")
    for dry_run, says in (
        (("--dry-run",), "1 new, 0 known already; nothing was changed"),
        ((), "1 new, 0 known already: suppressed as soon"),
    ):
        told = server.cli(*suppress, *dry_run)
        assert (told.returncode, says in told.stdout, "line 3: this is no phone number" in told.stdout) == (
            1,
            True,
            True,
        )
        assert "2 rows (address from Email Address; said_at from UNSUB_TIME; all unsubscribed)" in told.stdout
    server.advance(by="1s")
    again = json.loads(server.cli(*suppress, "--json").stdout)
    assert (again["new"], again["known"], again["unsubscribed"]) == (0, 1, 1)
    assert uma.id not in server.told("events", "dump").lower()
    uma.known()
    granted = {"purpose": "marketing", "channel": "email", "state": "granted"}
    call = {"userId": uma.id, "event": "Consent Changed", "timestamp": "2026-11-01T10:00:00Z", "properties": granted}
    server.post("/v1/track", call)
    uma.adds(KETTLE)
    server.advance(by="1h")
    assert re.search(
        r"NOT SENT  withdrawn  marketing\.cart was withdrawn with this address at .*, says a list of mailchimp; silent until",
        server.told("explain", uma.id),
    )
    assert re.match(
        r"withdrawn marketing/email  with the address, by others or on a list  2026-11-20 10:11 UTC\n"
        r"granted   marketing/email  entry #\d+  .*  2026-11-01",
        server.told("consent", "show", uma.id),
    )
    copy = json.loads(server.told("customer", "export", uma.id))["messages"][uma.id]
    assert list(copy["addresses"]["email"]["listed"]) == ["unsubscribed/mailchimp"]
    server.told("consent", "grant", uma.id, "marketing", "--channel", "email", "--source", "shop-counter")
    server.cli(*suppress)
    uma.adds(KETTLE)
    assert [decision["verdict"] for decision in server.advance(by="1h")["decisions"]] == ["sent"]
    assert server.told("consent", "verify").count("whole") == 4


def test_whom_a_wrong_file_has_silenced_is_written_to_once_it_is_taken_back(server: Server, tmp_path: Path) -> None:
    eve, list_ = Shopper(server), tmp_path / "customers.csv"
    list_.write_text(f"Email\n{eve.id}@example.test\n")
    eve.known()
    server.told("consent", "grant", eve.id, "marketing", "--channel", "email", "--source", "shop-counter")
    suppress = ("consent", "suppress", str(list_), "--source", "klaviyo", "--reason", "unsubscribed")
    assert "1  without a date that can be read" in server.told(*suppress)
    server.advance(by="1s")
    assert "withdrawn marketing/email  with the address" in server.told("consent", "show", eve.id)
    dry = server.told(*suppress, "--take-back", "--dry-run")
    assert "1 taken back, 0 that this source has not told; nothing was changed" in dry
    assert "without a date" not in dry
    server.told(*suppress, "--take-back")
    eve.adds(KETTLE)
    assert [decision["verdict"] for decision in server.advance(by="1h")["decisions"]] == ["sent"]
    assert "withdrawn" not in server.told("consent", "show", eve.id)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--source", " "), "--source: name whose list it is"),
        (("--source", "x", "--reason", "moved"), '--reason: "moved" is none of: unsubscribed, bounced, complained'),
        (("--source", "x", "--channel", "push"), '--channel: "push" is none of: email, sms, call'),
        (("--source", "x", "--map", "mail=Email"), '--map: "mail" is none of: address, reason, said_at'),
        (("--source", "x", "--said-at", "1970-01-01"), "stands where nobody knew the time"),
        (("--source", "x", "--zone", "Madrid"), "is not an IANA time zone"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anybody_is_suppressed(
    server: Server, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    list_ = tmp_path / "list.txt"
    list_.write_text("uma@a.example\n")
    refused = server.cli("consent", "suppress", str(list_), *words)
    assert (refused.returncode, refused.stdout, says in refused.stderr) == (1, "", True)


def test_consent_of_an_export_that_knows_addresses_alone_is_brought_to_whose_they_are(
    server: Server, tmp_path: Path
) -> None:
    uma, customers, export = Shopper(server).known(), tmp_path / "customers.csv", tmp_path / "subscribed.csv"
    customers.write_text(f"Customer ID,Email\n{uma.id},{uma.id}@example.test\n")
    export.write_text(
        f"Email Address,OPTIN_TIME\n{uma.id}@Example.test,2026-11-20 10:11:12\nno@a.example,2026-11-20\n{uma.id}@example.test,\n"
    )
    consents = ("import", str(export), "--as", "Consent Changed", "--map", "userId=Email Address,timestamp=OPTIN_TIME")
    said = ("--set", "purpose=marketing,channel=email,state=granted,via=mailchimp")
    whose = ("--ids", f"{customers}:Email=Customer ID")
    refused = server.cli(*consents, *said, *whose)
    assert (refused.returncode, "OPTIN_TIME is empty: take the row out" in refused.stderr) == (1, True)
    told = server.told(*consents, *said, *whose, "--skip-undated")
    assert "1 rows → 1 accepted" in told
    assert "0 refused; 1 left out, whose address is no customer's; 1 left out, without a time" in told
    server.advance(by="1s")
    assert re.match(
        r"granted   marketing/email  entry #\d+  mailchimp  2026-11-20 10:11", server.told("consent", "show", uma.id)
    )
    twice = server.cli(*consents, "--set", "timestamp=2026-11-20")
    assert (twice.returncode, "--set: timestamp is mapped to a column as well" in twice.stderr) == (1, True)
