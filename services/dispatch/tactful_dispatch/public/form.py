"""Reading a posted form: a few short fields, whatever is thrown at us."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from tactful.errors import InvalidInput
from tactful_dispatch.body import bounded

_MOST_BYTES: Final = 16_384  # a thousand characters of any script take nine each, percent-encoded
_MOST_FIELDS: Final = 16


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form in either encoding; the last of a name wins.

    RFC 8058 §3.2 lets a mailbox provider post `multipart/form-data` as well as `x-www-form-urlencoded`.
    Raises InvalidInput (`form_too_large`) beyond 16 KB.
    """
    body = await bounded(request, _MOST_BYTES)
    if body is None:
        raise InvalidInput("form_too_large", f"the form is larger than {_MOST_BYTES} bytes")
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        return _multipart(content_type, body)
    try:
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


def _multipart(content_type: str, body: bytes) -> dict[str, str]:
    # A multipart form is a MIME message without its first line, so the mail parser reads it; bounded above.
    header = content_type.encode("latin-1", "replace")
    try:
        message = message_from_bytes(b"Content-Type: " + header + b"\r\n\r\n" + body)
        parts = [part for part in message.walk() if not part.is_multipart()]
        return dict(_field(part) for part in parts[:_MOST_FIELDS])
    except Exception:  # noqa: BLE001 - that parser raises whatever it stumbles over
        return {}


def _field(part: Message) -> tuple[str, str]:
    name = part.get_param("name", "", "content-disposition")
    content = part.get_payload(decode=True)
    return str(name), content.decode(errors="replace").strip() if isinstance(content, bytes) else ""
