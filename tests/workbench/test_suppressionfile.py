"""Lists of suppressed addresses, as the sender before exports them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tactful.errors import TactfulError
from tactful_workbench.files.suppressions import Bad, Listed, Reading, form_of, listed_in

MADRID = ZoneInfo("Europe/Madrid")
MAY = 1_683_195_072_000  # 2023-05-04 10:11:12 UTC


def good(rows: list[Listed | Bad]) -> list[Listed]:
    return [row for row in rows if isinstance(row, Listed)]


def read(folder: Path, text: str, name: str = "list.csv", **more: Any) -> list[Listed | Bad]:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    said: dict[str, Any] = {"pairs": {}, "channel": "", "reason": "", "said_at": 0, "zone": ZoneInfo("UTC"), **more}
    reading = Reading(**said)
    return list(listed_in(file, form_of(file, reading), reading))


@pytest.mark.parametrize(
    ("text", "reason", "said_at"),
    [
        pytest.param(
            "Email Address,First Name,OPTIN_TIME,UNSUB_TIME,UNSUB_REASON\n"
            "uma@a.example,Uma,2020-01-01 09:00:00,2023-05-04 10:11:12,SPAM (The emails are spam)\n",
            "unsubscribed",
            MAY,
            id="Mailchimp, unsubscribed",
        ),
        pytest.param(
            "Email Address,First Name,OPTIN_TIME,CLEAN_TIME\numa@a.example,Uma,2020-01-01 09:00:00,2023-05-04 10:11:12\n",
            "bounced",
            MAY,
            id="Mailchimp, cleaned",
        ),
        pytest.param("Email\numa@a.example\n", "unsubscribed", 0, id="Klaviyo"),
        pytest.param(
            'status,reason,email,created\n550,"550 5.1.1 The account\ndoes not exist",uma@a.example,1683195072\n',
            "bounced",
            MAY,
            id="SendGrid, bounces",
        ),
        pytest.param("email,created\numa@a.example,1683195072\n", "unsubscribed", MAY, id="SendGrid, unsubscribes"),
        pytest.param(
            "EmailAddress,SuppressionReason,Origin,CreatedAt\n"
            "uma@a.example,SpamComplaint,Recipient,2023-05-04T06:11:12-04:00\n",
            "complained",
            MAY,
            id="Postmark",
        ),
        pytest.param(
            "email;senderEmail;reason;blockedAt\numa@a.example;shop@shop.example;hardBounce;2023-05-04T10:11:12Z\n",
            "bounced",
            MAY,
            id="Brevo",
        ),
        pytest.param(
            "address,code,error,created_at\numa@a.example,550,No such user,2023-05-04 10:11:12 UTC\n",
            "unsubscribed",
            MAY,
            id="Mailgun",
        ),
    ],
)
def test_a_list_is_read_by_the_columns_that_its_sender_writes(
    tmp_path: Path, text: str, reason: str, said_at: int
) -> None:
    [row] = good(read(tmp_path, text))
    assert row[1:] == ("email", "uma@a.example", reason, said_at)


def test_when_a_contact_was_made_is_not_when_they_left(tmp_path: Path) -> None:
    """Dated so, an opt-out would be older than the yes that it takes back."""
    text = "Email,First Name,Created\numa@a.example,Uma,2020-01-01\n"
    assert read(tmp_path, text) == [Listed(2, "email", "uma@a.example", "unsubscribed", 0)]
    [row] = good(read(tmp_path, text, pairs={"said_at": "Created"}))
    assert row.said_at


def test_numbers_that_opted_out_are_for_texts_unless_something_else_is_said(tmp_path: Path) -> None:
    text = "contact_id,status,date_of_consent\n+34600111222,opt-out,2023-05-04T10:11:12Z\n'+34 600 111 223,opt-in,\n"
    assert read(tmp_path, text) == [
        Listed(2, "sms", "+34600111222", "unsubscribed", MAY),
        Listed(3, "sms", "+34600111223", "allowed", 0),
    ]
    assert {row.channel for row in good(read(tmp_path, text, channel="call"))} == {"call"}
    both = "Email,Phone Number\numa@a.example,+34600111222\n"
    assert read(tmp_path, both, channel="sms") == [Listed(2, "sms", "+34600111222", "unsubscribed", 0)]


def test_where_the_reason_is_empty_the_status_tells(tmp_path: Path) -> None:
    """Or a list of all contacts would silence those who stay."""
    text = "Email,Status,Reason\na@a.example,subscribed,\nb@a.example,bounced,\nc@a.example,subscribed,spam\nd@a.example,,\n"
    reasons = [row.reason for row in good(read(tmp_path, text))]
    assert reasons == ["allowed", "bounced", "complained", "unsubscribed"]
    assert {row.reason for row in good(read(tmp_path, text, pairs={"reason": "Reason"}))} == {
        "unsubscribed",
        "complained",
    }


def test_plain_lines_need_no_head(tmp_path: Path) -> None:
    rows = good(read(tmp_path, "uma@a.example\n\nIvo <ivo@b.example>\n+34600111222\n", "list.txt"))
    assert [(row.line, row.channel) for row in rows] == [(1, "email"), (3, "email"), (4, "sms")]


@pytest.mark.parametrize("head", ["", "Mail;Email\n"])
def test_empty_lines_before_the_first_row_are_none(tmp_path: Path, head: str) -> None:
    [row] = good(read(tmp_path, f"\n  \n{head}{'x;' if head else ''}uma@a.example\n"))
    assert row == Listed(4 if head else 3, "email", "uma@a.example", "unsubscribed", 0)


def test_a_row_that_names_no_address_is_told_by_its_line_without_its_words(tmp_path: Path) -> None:
    text = (
        "email,reason\numa@a.example,x\numa at b.example,x\n,x\n0034600111222,x\nivo@@b.example,x\nivo@b.example,x,y\n"
    )
    first, *bad = read(tmp_path, text)
    assert isinstance(first, Listed)
    assert [row.line for row in bad] == [3, 4, 5, 6, 7]
    assert not any("example" in row.why or "0034" in row.why for row in bad if isinstance(row, Bad))


@pytest.mark.parametrize("date", ["", "5/4/2023 10:11", "yesterday", "1970-01-01"])
def test_who_opted_out_nobody_knows_when_has_opted_out(tmp_path: Path, date: str) -> None:
    text = f"email,date\numa@a.example,{date}\n"
    assert read(tmp_path, text) == [Listed(2, "email", "uma@a.example", "unsubscribed", 0)]
    assert read(tmp_path, text, said_at=MAY) == [Listed(2, "email", "uma@a.example", "unsubscribed", MAY)]


def test_what_is_said_of_a_file_goes_before_what_its_columns_say(tmp_path: Path) -> None:
    text = "E-Mail;Grund;Wann;status\numa@a.example;hardBounce;2023-05-04 12:11:12;subscribed\n"
    pairs = {"reason": "Grund", "said_at": "Wann"}
    assert read(tmp_path, text, pairs=pairs, zone=MADRID) == [Listed(2, "email", "uma@a.example", "bounced", MAY)]
    assert [row.reason for row in good(read(tmp_path, text, reason="complained"))] == ["complained"]


@pytest.mark.parametrize(
    ("text", "pairs", "says"),
    [
        ("", {}, "is empty"),
        ("name,when\numa,x\n", {}, "name it with --map address=COLUMN; there are: name, when"),
        ("email\numa@a.example\n", {"reason": "why"}, "there is no column why; there are: email"),
        ('email,reason\numa@a.example,"left\nivo@b.example,x\n', {}, "list.csv:2: .* a quotation mark is open"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole_and_says_how_to_mend_it(
    tmp_path: Path, text: str, pairs: dict[str, str], says: str
) -> None:
    with pytest.raises(TactfulError, match=says):
        read(tmp_path, text, pairs=pairs)


def test_a_list_may_be_packed_and_must_be_in_utf_8(tmp_path: Path) -> None:
    reading = Reading({}, "", "", 0, MADRID)
    (tmp_path / "list.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfemail\numa@a.example\n"))
    [row] = listed_in(tmp_path / "list.csv.gz", form_of(tmp_path / "list.csv.gz", reading), reading)
    assert row == Listed(2, "email", "uma@a.example", "unsubscribed", 0)
    (tmp_path / "list.csv").write_bytes("email,name\numa@a.example,Peña\n".encode("latin-1"))
    with pytest.raises(TactfulError, match="CSV UTF-8"):
        form_of(tmp_path / "list.csv", reading)
