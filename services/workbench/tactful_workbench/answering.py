"""Named errors as answers over HTTP."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import JSONResponse

from tactful.errors import InvalidInput


async def told_as_json(request: Request, error: Exception) -> JSONResponse:
    """Named errors in the form that every other answer has."""
    code = error.code if isinstance(error, InvalidInput) else "refused"
    return JSONResponse({"code": code, "message": str(error)}, 400)
