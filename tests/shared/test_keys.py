"""Keys of those who post: found by what was presented, stored as a fingerprint."""

from __future__ import annotations

import pytest

from tactful.keys import FixedKeys, Key, fingerprint


async def test_a_key_is_found_by_its_secret_alone() -> None:
    ring = FixedKeys([("s3cret", Key("shop", "server")), ("public", Key("web", "browser"))])
    assert await ring.find("s3cret") == Key("shop", "server")
    assert await ring.find("public") == Key("web", "browser")


@pytest.mark.parametrize("secret", ["", "S3CRET", "s3cret ", "shop", "\x00", "\ud800"])
async def test_anything_else_is_no_key(secret: str) -> None:
    assert await FixedKeys([("s3cret", Key("shop", "server"))]).find(secret) is None


def test_what_is_stored_does_not_contain_the_secret() -> None:
    assert len(fingerprint("s3cret")) == 32
    assert b"s3cret" not in fingerprint("s3cret")
