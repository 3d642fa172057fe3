"""Named errors as answers over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from tactful.errors import InvalidInput, TactfulError, Transient

AGAIN: Final = 2  # seconds


def answer_by_name(app: FastAPI) -> None:
    """Errors of this application are `{"code", "message"}`."""
    app.add_exception_handler(TactfulError, _told_as_json)
    app.add_exception_handler(RequestValidationError, _told_what_is_wrong)
    app.add_exception_handler(ClientDisconnect, _told_to_nobody)


def faults(errors: Sequence[Any]) -> str:
    """What pydantic finds wrong, in one line: which field, and why."""
    return "; ".join(f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['msg']}" for error in errors)


async def _told_what_is_wrong(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"code": "invalid_request", "message": _sendable(faults(error.errors()))}, 400)


async def _told_to_nobody(request: Request, error: Exception) -> JSONResponse:
    """They have left before their body was complete, which is no fault of ours."""
    return JSONResponse({"code": "disconnected", "message": "the client went away before the body was complete"}, 400)


async def _told_as_json(request: Request, error: Exception) -> JSONResponse:
    """Named errors in the form that every other answer has."""
    if isinstance(error, Transient):
        told = {"code": "unavailable", "message": _sendable(str(error))}
        return JSONResponse(told, 503, {"Retry-After": str(AGAIN)})
    code = error.code if isinstance(error, InvalidInput) else "refused"
    return JSONResponse({"code": code, "message": _sendable(str(error))}, 400)


def _sendable(text: str) -> str:
    """Half a character, which JSON can hold and UTF-8 cannot, as it is written in JSON."""
    return text.encode(errors="backslashreplace").decode()
