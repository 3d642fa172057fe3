"""What a served product does for those who wait for an answer."""

from __future__ import annotations

import asyncio
import re
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from uvicorn.server import ServerState

from tactful.clock import ManualClock
from tactful.errors import SettingsError, StoreUnavailable, TactfulError
from tactful.log.memory import MemoryLog
from tactful_workbench.embedded.product import Plan, Product, opened
from tactful_workbench.embedded.serverfile import ServerFile
from tactful_workbench.embedded.serving import look_at_settings, serve, watch_settings
from tactful_workbench.embedded.web import web
from tactful_workbench.office import answers, office
from tactful_workbench.process.listening import SILENCE, Connection, listen, server_of, url_of
from tactful_workbench.process.running import rest
from tactful_workbench.settings.file import DEV, SHOP, SettingsFile
from tactful_workbench.shop.secrets import ADMIN_TOKEN, EVERY, secret

ASTRAY = {
    ("POST", "/v1/nothing/here"): (404, "not_found"),
    ("GET", "/v1/nothing/here"): (404, "not_found"),
    ("POST", "/nowhere"): (404, "not_found"),
    ("GET", "/v1/track"): (405, "method_not_allowed"),
    ("GET", "/events"): (405, "method_not_allowed"),
    ("POST", "/sourceConfig/"): (405, "method_not_allowed"),
}
HEAD = b"GET / HTTP/1.1\r\nhost: shop.example\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"


class Line(asyncio.Transport):
    """A connection's other end."""

    def __init__(self) -> None:
        super().__init__()
        self.said, self.closed, self.paused = b"", False, False

    def write(self, data: Any) -> None:
        self.said += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("10.1.2.3", 55_555) if name == "peername" else default


class Waiting:
    """Stands for the loop: what is to happen later happens when the test says so."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []
        self.create_task, self.call_soon = asyncio.get_running_loop().create_task, asyncio.get_running_loop().call_soon

    def call_later(self, delay: float, work: Callable[..., None], *given: Any) -> asyncio.TimerHandle:
        self.later.append((delay, work, given))
        loop = asyncio.get_running_loop()
        handle = loop.call_later(3600, work, *given)
        handle.cancel()
        return handle

    def pass_time(self) -> None:
        """As long as a connection may ask nothing."""
        due, self.later = [entry for entry in self.later if entry[0] == SILENCE], []
        for _, work, given in due:
            work(*given)


class Guest:
    """A connection to an application whose answers wait until they are let go."""

    def __init__(self, others: int = 0) -> None:
        self.answers, self.loop, self.line = asyncio.Event(), Waiting(), Line()
        app = FastAPI()
        app.add_route("/", self._answer, methods=["GET", "POST"])
        app.add_route("/copy", self._copy)
        server = server_of(app)
        server.config.load()
        state = ServerState()
        state.default_headers = server.config.encoded_headers
        state.connections |= {object() for _ in range(others)}  # type: ignore[misc]
        self.connection = Connection(server.config, state, {}, self.loop)  # type: ignore[arg-type]
        self.connection.connection_made(self.line)

    async def _answer(self, request: Request) -> Response:
        await self.answers.wait()
        return PlainTextResponse(f"here you are, by {request.url.scheme}{(await request.body()).decode()}")

    async def _copy(self, request: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            yield b"one\n"
            await self.answers.wait()

        return StreamingResponse(lines())

    async def answered(self) -> bytes:
        self.answers.set()
        await asyncio.gather(*self.connection.tasks)
        return self.line.said


def client_of(product: Product) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(web(product, "tactful"))
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example")


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("dev", [True, False])
async def test_a_shop_and_a_development_do_not_share_a_folder(tmp_path: Path, dev: bool) -> None:
    async with opened(Plan(tmp_path, dev=dev)):
        with pytest.raises(SettingsError, match="choose another folder with --data"):
            await _open(Plan(tmp_path, dev=not dev))
    assert not Plan(tmp_path, dev=not dev).file.exists()
    Plan(tmp_path, dev=not dev).file.touch()
    with pytest.raises(SettingsError, match="is the database of"):  # nor does a command choose for itself
        async with office(tmp_path):
            pass


async def test_a_shop_does_not_begin_with_the_settings_of_dev_and_goes_on_with_those_it_has(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(DEV)
    with pytest.raises(SettingsError, match="is of `tactful dev` and writes to everybody"):
        await _open(Plan(tmp_path))
    (tmp_path / "settings.toml").write_text(SHOP)
    await _open(Plan(tmp_path))
    (tmp_path / "settings.toml").write_text(DEV)
    await _open(Plan(tmp_path))


@pytest.mark.parametrize("dev", [True, False])
async def test_nothing_begins_in_a_folder_of_many_machines_and_what_began_before_goes_on(
    tmp_path: Path, dev: bool
) -> None:
    secret(tmp_path, ADMIN_TOKEN)
    with pytest.raises(SettingsError, match="admin-token is of many machines"):
        await _open(Plan(tmp_path, dev=dev))
    assert not Plan(tmp_path, dev=dev).file.exists()
    for name in EVERY:  # as `tactful keys secrets` makes them anew where they were lost
        secret(tmp_path / "old", name)
    (tmp_path / "old" / "secrets" / ADMIN_TOKEN).unlink()
    await _open(Plan(tmp_path / "old", dev=dev))
    secret(tmp_path / "old", ADMIN_TOKEN)
    await _open(Plan(tmp_path / "old", dev=dev))


async def _open(plan: Plan) -> None:
    async with opened(plan):
        pass


def test_a_server_that_ends_leaves_alone_what_another_has_written_of_itself(tmp_path: Path) -> None:
    first, second = (ServerFile(f"http://127.0.0.1:{pid}", pid, "token") for pid in (1001, 1002))
    first.write(tmp_path)
    second.write(tmp_path)
    first.remove(tmp_path)
    assert ServerFile.read(tmp_path) == second
    second.remove(tmp_path)
    assert ServerFile.read(tmp_path) is None
    second.remove(tmp_path)


async def test_a_file_that_may_not_be_read_or_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    for file in ("server.json", "erasures"):
        (tmp_path / file).mkdir()  # who runs the tests may perhaps read everything, but not this
    with pytest.raises(TactfulError, match=r"server\.json cannot be read \(.*\); run this as the user"):
        ServerFile.read(tmp_path)
    with pytest.raises(TactfulError, match=r"server\.json cannot be written: .*; make room"):
        ServerFile("http://127.0.0.1:8080", 1, "token").write(tmp_path)
    with pytest.raises(TactfulError, match=r"erasures cannot be read \(.*\): .*; mend its rights"):
        await _open(Plan(tmp_path))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("10.1.2.3", "http://10.1.2.3:8080"),
        ("::1", "http://[::1]:8080"),
        ("::", "http://[::1]:8080"),
        ("localhost", "http://localhost:8080"),
    ],
)
def test_a_server_says_under_which_url_this_machine_reaches_it(host: str, url: str) -> None:
    assert url_of(host, 8080) == url
    assert httpx.URL(url).port == 8080


async def test_a_server_whose_url_is_none_does_not_answer() -> None:
    assert not await answers(ServerFile("http://::1:8080", 1, "token"))


async def test_a_server_that_is_there_and_silent_is_not_taken_for_one_that_is_gone() -> None:
    with listen("127.0.0.1", 0) as silent:
        silent.listen()
        server = ServerFile(url_of("127.0.0.1", silent.getsockname()[1]), 4711, "token")
        with pytest.raises(TactfulError, match=r"has not answered .* if it must stop, end process 4711"):
            await answers(server, patience=0.05)


@pytest.mark.parametrize("said", [b"", b"G", HEAD])
async def test_a_connection_that_does_not_come_to_a_request_is_closed(said: bytes) -> None:
    guest = Guest()
    guest.connection.data_received(said)
    guest.loop.pass_time()
    assert guest.line.closed


@pytest.mark.parametrize("dev", [True, False])
async def test_a_client_of_the_door_that_went_astray_is_told_as_by_the_door_alone(tmp_path: Path, dev: bool) -> None:
    async with opened(Plan(tmp_path, dev=dev)) as product, client_of(product) as client:
        for (method, path), told in ASTRAY.items():
            answered = await client.request(method, path)
            assert (answered.status_code, answered.json()["code"]) == told, path
            assert answered.headers["access-control-allow-origin"] == "*"


async def test_a_page_that_there_is_not_is_told_as_pages_are(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path, dev=True)) as product, client_of(product) as client:
        for method, path in (("GET", "/console/nothing"), ("GET", "/nowhere"), ("POST", "/inbox")):
            answered = await client.request(method, path)
            assert answered.status_code in {404, 405}
            assert "access-control-allow-origin" not in answered.headers


async def test_a_connection_whose_request_is_being_answered_is_left_alone() -> None:
    guest = Guest()
    guest.connection.data_received(HEAD + b"\r\n")
    for _ in range(3):
        guest.loop.pass_time()
    assert not guest.line.closed
    assert b"here you are" in await guest.answered()


async def test_a_second_request_that_does_not_end_is_waited_for_no_longer_than_the_first() -> None:
    guest = Guest()
    guest.connection.data_received(HEAD + b"\r\n")
    await guest.answered()
    guest.loop.pass_time()
    guest.connection.data_received(HEAD)
    assert not guest.line.closed
    guest.loop.pass_time()
    assert guest.line.closed


async def test_a_client_is_told_to_leave_a_silent_connection_before_it_is_closed() -> None:
    guest = Guest()
    guest.connection.data_received(HEAD + b"\r\n")
    told = re.search(rb"\r\nkeep-alive: timeout=(\d+)\r\n", (await guest.answered()).lower())
    assert told
    assert 0 < int(told[1]) < SILENCE


@pytest.mark.parametrize(("others", "kept"), [(100, True), (10_000, False)])
async def test_a_connection_is_kept_for_a_balancer_of_load_unless_there_are_very_many(others: int, kept: bool) -> None:
    guest = Guest(others)
    guest.connection.data_received(HEAD + b"\r\n")
    await guest.answered()
    for _ in range(3):
        guest.loop.pass_time()
    assert guest.line.closed is not kept
    assert guest.connection.config.timeout_keep_alive > 600, "as long as Google's keeps it"


async def test_what_a_server_that_stops_gives_up_is_told_to_come_again(caplog: pytest.LogCaptureFixture) -> None:
    guest = Guest()
    guest.connection.data_received(HEAD + b"\r\n")
    [answering] = guest.connection.tasks
    await asyncio.sleep(0)
    answering.cancel()  # as uvicorn does with what is not answered within its grace
    await answering
    assert guest.line.said.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: " in guest.line.said
    assert b'"code":"stopping"' in guest.line.said
    assert not caplog.records


async def test_an_answer_that_has_begun_when_the_server_stops_is_said_to_be_cut_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guest = Guest()
    guest.connection.data_received(HEAD.replace(b"/", b"/copy", 1) + b"\r\n")
    [answering] = guest.connection.tasks
    for _ in range(20):
        await asyncio.sleep(0)
    assert guest.line.said.startswith(b"HTTP/1.1 200 ")
    answering.cancel()
    await answering
    assert guest.line.closed
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "an answer was cut off, since the server stops; whoever asked has to ask again")
    ]


async def test_where_nobody_can_be_told_that_a_server_runs_nothing_begins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ServerFile.path(tmp_path).mkdir()
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await serve(Plan(tmp_path), "127.0.0.1", port, lambda product, url: "")
    assert not caplog.records


@pytest.mark.parametrize("host", ["192.0.2.1", "no host"])
def test_a_host_that_is_not_of_this_machine_is_not_taken_for_a_port_in_use(host: str) -> None:
    with pytest.raises(TactfulError, match=f"{host} is no address of this machine .* --host"):
        listen(host, 0)


async def test_thousands_of_other_connections_keep_nobody_out() -> None:
    guest = Guest(others=10_000)
    guest.connection.data_received(HEAD + b"\r\n")
    assert (await guest.answered()).startswith(b"HTTP/1.1 200")


async def test_a_proxy_on_another_machine_is_believed_when_it_speaks_for_a_client_with_tls() -> None:
    guest = Guest()
    guest.connection.data_received(HEAD + b"x-forwarded-proto: https\r\n\r\n")
    assert (await guest.answered()).endswith(b"here you are, by https")


@pytest.mark.parametrize(
    "begun",
    [b"GET /", HEAD + b"x: ", HEAD.replace(b"GET", b"POST") + b"transfer-encoding: chunked\r\n\r\n1\r\n \r\n0\r\nx: "],
)
async def test_a_head_that_does_not_end_keeps_nobody_busy(begun: bytes) -> None:
    """Or what stands behind a body."""
    guest = Guest()
    guest.connection.data_received(begun)
    for _ in range(63):
        guest.connection.data_received(b"a" * 1024)
    assert not guest.line.closed
    guest.connection.data_received(b"a" * 2048)
    assert guest.line.closed
    assert guest.line.said.startswith(b"HTTP/1.1 400")


async def test_of_a_body_that_nobody_wants_one_piece_is_read_at_a_time() -> None:
    guest = Guest()
    guest.connection.data_received(b"POST /nowhere HTTP/1.1\r\ncontent-length: 102400\r\n\r\n")
    assert (await guest.answered()).startswith(b"HTTP/1.1 404")
    guest.connection.data_received(b"a" * 1024)
    assert guest.line.paused
    await asyncio.sleep(0)
    assert not guest.line.paused


async def test_a_body_may_be_longer_than_a_head() -> None:
    guest = Guest()
    guest.connection.data_received(HEAD.replace(b"GET", b"POST") + b"content-length: 102400\r\n\r\n")
    for _ in range(100):
        guest.connection.data_received(b"a" * 1024)
    assert (await guest.answered()).endswith(b"here you are, by http" + b"a" * 102_400)


@pytest.mark.parametrize("first", [b"", HEAD[:7], HEAD, HEAD + OFFER[:37], HEAD + OFFER])
@pytest.mark.parametrize(
    "framed", [b"content-length: 6\r\n\r\n, yes!", b"transfer-encoding: chunked\r\n\r\n6\r\n, yes!\r\n0\r\n\r\n"]
)
async def test_what_is_posted_with_an_offer_of_another_protocol_is_read(first: bytes, framed: bytes) -> None:
    """As Java's own client posts over plain HTTP, in whatever pieces it arrives."""
    guest = Guest()
    posted = HEAD + OFFER + framed
    for part in (posted[: len(first)], posted[len(first) :]):
        guest.connection.data_received(part.replace(b"GET", b"POST"))
    assert (await guest.answered()).endswith(b"here you are, by http, yes!")


def test_as_many_connections_are_allowed_as_the_system_lets_us_have() -> None:
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, most))
        with listen("127.0.0.1", 0):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))


def test_answers_leave_at_once_since_the_listener_names_its_protocol() -> None:
    """asyncio switches Nagle's algorithm off for sockets that say TCP, and for no others."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_round_during_which_nobody_came_is_followed_by_the_next_one_at_once() -> None:
    assert rest(took=0.2, came=0) == 0


def test_who_waits_at_the_door_goes_before_the_next_round() -> None:
    assert rest(took=0.2, came=1) == rest(took=0.2, came=100) > 0.2
    assert rest(took=35.0, came=1) == 1.0, "a provider that did not answer is no reason to rest"


class Watched(SimpleNamespace):
    """As much of one as reads its settings."""

    @classmethod
    def over(cls, folder: Path) -> Any:
        clock, settings = ManualClock(0), SettingsFile(folder, SHOP)
        settings.read()
        return cls(settings=settings, log=MemoryLog(1, clock), clock=clock, loaded=SimpleNamespace(rules=()))


async def test_after_a_save_that_nobody_can_read_the_next_one_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    product = Watched.over(tmp_path)
    product.settings.path.write_text(SHOP.replace("My shop", "Café"), encoding="latin-1")
    seen = await look_at_settings(product, 0)
    assert "not taken: " in caplog.text
    product.settings.path.write_text(SHOP.replace("My shop", "Café"), encoding="utf-8")
    await look_at_settings(product, seen - 1)
    assert product.settings.latest.shop.name == "Café"


async def test_a_settings_file_that_was_emptied_changes_nothing_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    product = Watched.over(tmp_path)
    product.settings.path.write_text(SHOP.replace("My shop", "Our shop"))
    seen = await look_at_settings(product, 0)
    product.settings.path.write_text("\n")
    await look_at_settings(product, seen - 1)
    assert product.settings.latest.shop.name == "Our shop"
    assert "settings.toml is empty" in caplog.text
    with pytest.raises(SettingsError, match="is empty"):
        SettingsFile(tmp_path, SHOP).read()


async def test_settings_that_were_saved_while_the_server_started_are_read(tmp_path: Path) -> None:
    product = Watched.over(tmp_path)
    await product.settings.tell(product.log, product.clock, "")
    product.settings.path.write_text(SHOP.replace("My shop", "Our shop"))
    watching = asyncio.create_task(watch_settings(product, every=0))
    async with asyncio.timeout(5):
        while product.settings.latest.shop.name != "Our shop":  # noqa: ASYNC110 - nobody tells when it has looked
            await asyncio.sleep(0)
    watching.cancel()


async def test_settings_are_watched_on_whatever_goes_wrong_with_one_save(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    product = Watched.over(tmp_path)
    log, product.log = product.log, None
    seen = await look_at_settings(product, 0)
    assert await look_at_settings(product, seen) == seen
    assert caplog.text.count("not taken: AttributeError") == 1, "said once"
    product.log = log
    product.settings.path.unlink()
    assert await look_at_settings(product, seen) == seen
