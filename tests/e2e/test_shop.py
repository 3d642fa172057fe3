"""A small shop: `tactful serve all` and a mail server. As shipped nobody is written to; then one rule goes live."""

from __future__ import annotations

import email.message
import queue
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from devserver import PATIENCE, Server
from freeports import free_port
from shopper import KETTLE, Shopper

SHARED = pytest.mark.xdist_group("shop-as-shipped")
LIVE = """\
[shop]
name = "My shop"
timezone = "Europe/Madrid"
sender = "My shop <hello@shop.example>"
postal_address = "My shop, 1 Market Street, Madrid"
public_url = "{url}"

[rules.abandoned_cart]
mode = "{mode}"
delay = "1s"
holdout = 0.0

[caps]
grace = "0s"

[hours]
marketing = "00:00-24:00"

[sending]
mode = "allowlist"
allow = [{allow}]
"""


class Postbox:
    """A mail server's handler that keeps what arrives."""

    def __init__(self) -> None:
        self.mail: queue.Queue[email.message.EmailMessage] = queue.Queue()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, email.message.EmailMessage)
        self.mail.put(message)
        return "250 OK"


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    """A mail server on loopback, and its port."""
    box, port = Postbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


@contextmanager
def opened(folder: Path, mail: int) -> Iterator[Server]:
    """The shop with a key for its backend, as shipped; `mail` is the port of its mail server."""
    server = Server(folder, "serve", "all", "--smtp", f"smtp+plain://127.0.0.1:{mail}", ready="  rules ")
    server.start()
    made = re.match(
        r"(\S+)      shown once\. Scope: events, identify, consent\.", server.told("keys", "create", "shop")
    )
    assert made is not None
    server.key = made[1]
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def shop(tmp_path: Path, postbox: tuple[Postbox, int]) -> Iterator[Server]:
    with opened(tmp_path, postbox[1]) as running:
        yield running


@pytest.fixture(scope="module")
def as_shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that nobody changes."""
    with opened(tmp_path_factory.mktemp("shop"), free_port()) as running:
        yield running


@SHARED
def test_the_banner_says_what_is_switched_off(as_shipped: Server) -> None:
    banner = as_shipped.said.text
    assert "  e-mail        by SMTP\n" in banner
    assert re.search(r"  links         in messages lead to http://127\.0\.0\.1:\d+\n", banner)
    assert "  SMS           not configured: give --sms\n" in banner
    assert "  SMS           not configured: give --sms\n" in banner
    assert "  sending       allow-list (empty)\n" in banner
    assert re.search(r"  rules         .*abandoned_cart shadow.*\(0 broken\)", banner)


@SHARED
@pytest.mark.parametrize("path", ["/dev/clock", "/inbox", "/inbox.json", "/inbox/1", "/shop", "/shop/p1"])
def test_what_belongs_to_development_is_not_there(as_shipped: Server, path: str) -> None:
    assert as_shipped.get(path).status_code == 404
    assert as_shipped.post(path, {"advance": "1h"}).status_code == 404


@SHARED
def test_its_clock_is_nobodys_to_move(as_shipped: Server) -> None:
    refused = as_shipped.cli("dev", "advance", "1h")
    assert refused.returncode == 1
    assert "only `tactful dev` has a clock to move" in refused.stderr


@SHARED
@pytest.mark.parametrize("key", ["dev_server", "dev_browser", ""])
def test_the_keys_of_development_open_nothing(as_shipped: Server, key: str) -> None:
    assert as_shipped.post("/v1/track", {"userId": "u1", "event": "Product Viewed"}, key=key).status_code == 401


def test_a_revoked_key_is_refused_and_the_others_are_not(shop: Server) -> None:
    call = {"userId": "u1", "event": "Product Viewed"}
    other = shop.told("keys", "create", "pos").split()[0]
    shop.told("keys", "revoke", "pos")
    assert shop.post("/v1/track", call, key=other).status_code == 401
    assert shop.post("/v1/track", call).status_code == 200


def test_the_console_is_for_operators_and_their_key_posts_nothing(shop: Server) -> None:
    uma = Shopper(shop).known()
    assert uma.id not in shop.get(f"/console/customers/{uma.id}").text
    assert shop.get("/console").status_code == 401
    made = shop.told("keys", "create", "anna", "--kind", "operator")
    key, words = made.split(maxsplit=1)
    assert words == "shown once. Scope: the console, where it is the password.\n"
    for _ in range(2):
        assert uma.id in shop.http.get(f"/console/customers/{uma.id}", auth=("anna", key)).text
    assert shop.cli("explain", uma.id).stdout.count("Story Read") == 1
    assert re.search(r"Story Read +anna ", shop.told("explain", uma.id))
    refused = shop.post("/v1/track", {"userId": "u1", "event": "Product Viewed"}, key=key)
    assert (refused.status_code, refused.json()["code"]) == (403, "key_scope")
    assert shop.http.post("/contact-check", json={"userId": "u1"}, headers={"x-write-key": key}).status_code == 403
    pressed = shop.http.post("/console/stop", data={"why": "wrong price"}, auth=("anna", key))
    assert (pressed.status_code, pressed.headers["location"]) == (303, "/console")
    assert "</strong> by anna since" in " ".join(shop.http.get("/console", auth=("anna", key)).text.split())
    assert "STOPPED by anna since" in shop.told("sending", "show")
    shop.told("keys", "revoke", "anna")
    assert shop.http.get("/console", auth=("anna", key)).status_code == 401


def test_as_shipped_a_rule_decides_and_nobody_is_written_to(shop: Server, postbox: tuple[Postbox, int]) -> None:
    _settings(shop, mode="shadow", allow="")
    uma = Shopper(shop).known().consents("email")
    uma.adds(KETTLE)
    assert "shadow" in _decided(shop)
    assert postbox[0].mail.empty()


def test_a_live_rule_writes_to_nobody_outside_the_list(shop: Server, postbox: tuple[Postbox, int]) -> None:
    _settings(shop, mode="live", allow='"*@myshop.example"')
    uma = Shopper(shop).known().consents("email")
    uma.adds(KETTLE)
    assert "not_allowed" in _decided(shop)
    assert postbox[0].mail.empty()


def test_a_listed_address_gets_the_letter_and_one_click_ends_it(shop: Server, postbox: tuple[Postbox, int]) -> None:
    _settings(shop, mode="live", allow='"*@example.test"')
    uma = Shopper(shop).known().consents("email")
    uma.adds(KETTLE)
    letter = postbox[0].mail.get(timeout=PATIENCE)
    assert letter["To"] == f"{uma.id}@example.test"
    assert letter["Subject"] == "Uma, your Blue kettle is still here"
    assert letter["From"] == "My shop <hello@shop.example>"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    link = re.fullmatch(r"<(http://127\.0\.0\.1:\d+/u/[^>]+)>.*", letter["List-Unsubscribe"])
    assert link is not None, letter["List-Unsubscribe"]
    answer = shop.http.post(link[1], data={"List-Unsubscribe": "One-Click"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
    assert re.search(r"withdrawn marketing/email  entry #\d+", shop.told("consent", "show", uma.id))
    assert "SENT" in uma.explained()
    assert postbox[0].mail.empty()


def test_a_rule_goes_live_a_share_at_a_time(shop: Server) -> None:
    assert "abandoned_cart writes to 5% of customers" in shop.told("rules", "rollout", "abandoned_cart", "5%", "--yes")
    assert "abandoned_cart v1  live for 5%" in shop.told("rules", "list")
    assert "stands in shadow" in shop.told("rules", "rollout", "abandoned_cart", "0%")
    assert "abandoned_cart v1  shadow  " in shop.told("rules", "list")
    assert "writes to 100% of customers" in shop.told("rules", "rollout", "abandoned_cart", "100%", "--yes")
    assert "abandoned_cart v1  live  " in shop.told("rules", "list")
    for share, words in (("a lot", "write for example 5%"), ("101%", "write for example 5%")):
        refused = shop.cli("rules", "rollout", "abandoned_cart", share, "--yes")
        assert (refused.returncode, words in refused.stderr) == (1, True)
    assert "there is no rule cart" in shop.cli("rules", "rollout", "cart", "5%").stderr  # nobody is asked first


def test_the_settings_can_be_changed_by_command(shop: Server) -> None:
    assert "allow-list *@myshop.example" in shop.told("sending", "allowlist", "*@myshop.example")
    assert "allow-list *@myshop.example" in shop.told("sending", "show")
    refused = shop.cli("sending", "live", "--shop", "Somebody else's")
    assert refused.returncode == 1
    assert 'it is called "My shop"' in refused.stderr
    assert "still says what ships: [shop] sender, reply_to, postal_address" in refused.stderr
    assert "everybody who consents" in shop.told("sending", "live", "--shop", "My shop")
    assert "everybody who consents" in shop.told("sending", "show")


def test_every_line_that_it_logs_says_when(shop: Server) -> None:
    (shop.data / "settings.toml").write_text("[shop]\nnmae = 1\n")
    with socket.create_connection(("127.0.0.1", shop.port)) as stranger:
        stranger.sendall(b"nonsense\r\n\r\n")
        for said in ("not taken: ", "Invalid HTTP request"):
            assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{{4}} {said}", shop.said.wait_for(said))


def _settings(shop: Server, **wanted: str) -> None:
    (shop.data / "settings.toml").write_text(LIVE.format(url=shop.url, **wanted))
    shop.said.wait_for("settings.toml was read again")


def _decided(shop: Server) -> str:
    """The log's own word on the first message, as soon as there is one."""
    with shop.following("events", "tail", "--follow", "--json") as said:
        return said.wait_for('"Message Decided"')
