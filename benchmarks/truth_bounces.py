"""Delivery and abuse reports of real mail servers, as dispatch reads them."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Final

import msgspec
from replaying import Row

from tactful_dispatch.inbound.reading import ARF, DSN, read

BOUNCES: Final = ("flufl", "sisimai")


def bounces(name: str, data: Path) -> list[Row]:
    """name, kind, recipient, action_status, class of every report in a collection of returned mail."""
    rows: list[Row] = []
    with gzip.open(data / f"bounces_{name}.ndjson.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            mail = msgspec.json.decode(line)
            for report in read(base64.b64decode(mail["b64"]), lambda text: "").reports:
                if report.kind in (DSN, ARF):
                    rows.append((mail["name"], report.kind, report.recipient, report.said, report.outcome))
    return sorted(rows)
