"""A webhook reaches the public internet and nothing else, however its address is spelt."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from tactful.errors import InvalidInput
from tactful.webhookurl import is_public
from tactful_dispatch.channels.publichost import public_target, system_resolver

OURS = [  # what a resolver may give for a name, and what is not of the public internet
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::10.0.0.1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::1",
    "2001:2::1",
    "2001:db8::1",
    "2001:10::1",
    "2001:20::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "not an address",
    "",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.215.14",
    "2606:4700:4700::1111",
    "2a00:1450:4001:830::200e",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
]
SPELLINGS = [  # of one and the same loopback or metadata address, as the system's resolver reads them
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "[::ffff:169.254.169.254]",
    "\N{FULLWIDTH DIGIT ONE}27.0.0.1",
    "127\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}1",
    "\N{CIRCLED DIGIT ONE}27.0.0.1",
]
UNREADABLE = [
    "",
    "http://hooks.example/",
    "ftp://hooks.example/",
    "file:///etc/passwd",
    "gopher://hooks.example/",
    "https://",
    "https:///path",
    "https://hooks.example:80/",
    "https://hooks.example:22/",
    "https://hooks.example:99999/",
    "https://hooks.example:port/",
    "https://user:pass@hooks.example/",
    "https://8.8.8.8@127.0.0.1/",
    "https://hooks.example\\@127.0.0.1/",
    "https://hooks.example/ x",
    "https://hooks.example/\r\nx: y",
    "https://[fe80::1%25eth0]/",
    "https://[::1/",
    "https://" + "a" * 64 + ".example/",
]


@pytest.mark.parametrize("address", OURS)
def test_what_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_of_the_public_internet_is_reached(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", SPELLINGS)
async def test_our_own_network_is_refused_however_it_is_spelt(host: str) -> None:
    """Either it is read and judged, or no resolver knows it."""
    with pytest.raises((InvalidInput, OSError)) as refused:
        await public_target(f"https://{host}/")
    if isinstance(refused.value, InvalidInput):
        assert refused.value.code in ("unsafe_url", "bad_url")


@pytest.mark.parametrize("url", UNREADABLE)
async def test_what_is_no_https_address_of_a_webhook_is_refused_before_anybody_is_asked(url: str) -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise AssertionError(f"asked for {host}")

    with pytest.raises(InvalidInput) as refused:
        await public_target(url, nobody)
    assert refused.value.code == "bad_url"


async def test_a_name_with_one_bad_address_among_good_ones_is_refused() -> None:
    async def both(host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(InvalidInput, match=r"10\.0\.0\.1"):
        await public_target("https://hooks.example/", both)


async def test_the_connection_goes_to_the_address_that_was_judged_and_the_name_is_asked_once() -> None:
    asked = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["8.8.8.8"] if len(asked) == 1 else ["127.0.0.1"]

    target = await public_target("https://hooks.example:8443/path?q=1", rebinding)
    assert target == ("https://8.8.8.8:8443/path?q=1", "hooks.example:8443", "hooks.example")
    assert asked == [("hooks.example", 8443)]


async def test_a_name_in_another_alphabet_is_asked_for_in_its_wire_form() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["2606:4700::1"]

    assert await public_target("https://лавка.example/", resolve) == (
        "https://[2606:4700::1]:443/",
        "xn--80aaf6ac.example",
        "xn--80aaf6ac.example",
    )


async def test_a_name_with_a_sharp_s_is_no_other_host_s() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["2606:4700::1"]

    assert (await public_target("https://straße.example/", resolve)).host == "xn--strae-oqa.example"


async def test_a_name_that_nobody_knows_is_no_address() -> None:
    with pytest.raises(socket.gaierror):
        await system_resolver("nobody.invalid", 443)
