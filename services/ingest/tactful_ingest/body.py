"""The body of a request: read as a stream, whatever its content type, and never more than the limit.

`Content-Encoding: gzip` is understood and bounded before and after; other encodings are refused (415).
"""

from __future__ import annotations

import asyncio
import zlib

from fastapi import Request
from starlette.requests import ClientDisconnect

from tactful_ingest.answers import Refusal
from tactful_ingest.limits import Limits
from tactful_ingest.overload import Ticket

_GZIP = 16 + zlib.MAX_WBITS
_WINDOW = 4096  # bytes: zlib copies what stands behind a member, and two hundred thousand of them fit into one body


async def read_body(request: Request, limits: Limits, ticket: Ticket) -> bytes:
    """The bytes after decompression. Raises Refusal 400, 408, 413, 415 or 503."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise Refusal(
            415, "unsupported_encoding", f'the encoding "{encoding[:40]}" is not understood; send gzip or none'
        )
    try:
        async with asyncio.timeout(limits.body_seconds):
            sent = await _as_sent(request, limits.body_bytes, ticket)
    except TimeoutError:
        raise Refusal(408, "slow_body", f"the body took longer than {limits.body_seconds:g} s") from None
    except ClientDisconnect:
        raise Refusal(400, "disconnected", "the client went away before the body was complete") from None
    if encoding != "gzip":
        return sent
    plain = gunzip(sent, limits.body_bytes)
    ticket.carry(len(plain))
    return plain


async def _as_sent(request: Request, limit: int, ticket: Ticket) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        ticket.carry(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def gunzip(sent: bytes, limit: int) -> bytes:
    """RFC 1952, several members too. Raises Refusal 400, or 413 before it has made more than `limit` bytes."""
    plain: list[bytes] = []
    room, at = limit + 1, 0  # one byte too many is how a bomb is known
    member = zlib.decompressobj(_GZIP)
    while at < len(sent) and room:
        window = sent[at : at + _WINDOW]
        member = zlib.decompressobj(_GZIP) if member.eof else member
        try:
            part = member.decompress(window, room)
        except zlib.error:
            raise _not_gzip() from None
        plain.append(part)
        room -= len(part)
        at += len(window) - len(member.unconsumed_tail) - len(member.unused_data)
    if not room:
        raise _too_large(limit)
    if sent and not member.eof:
        raise _not_gzip()
    return b"".join(plain)


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413, "too_large", f"a request may hold {limit:,} bytes, compressed and decompressed; post less at once"
    )


def _not_gzip() -> Refusal:
    return Refusal(400, "invalid_gzip", "the body is not what Content-Encoding says: gzip, complete")
