"""What browser SDKs fetch before they send anything. Without these answers, or without a key in them, they stay silent.

Shapes: analytics.js 2 (`GET /v1/projects/{key}/settings`) and RudderStack's JavaScript SDK (`GET /sourceConfig/`).
Nothing is looked up: a key that is wrong is told so when it posts.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from tactful_ingest.answers import answer


async def segment_settings(request: Request) -> Response:
    """Names this host: an SDK that is told no host posts the shop's events to somebody else."""
    segment = {
        "apiKey": request.path_params["write_key"],
        "apiHost": f"{request.url.netloc}/v1",
        "protocol": request.url.scheme,
        "addBundledMetadata": True,
        "unbundledIntegrations": [],
        "maybeBundledConfigIds": {},
    }
    return answer(
        {
            "integrations": {"Segment.io": segment},
            "plan": {
                event: {"__default": {"enabled": True, "integrations": {}}} for event in ("track", "identify", "group")
            },
            "edgeFunction": {},
            "analyticsNextEnabled": True,
            "middlewareSettings": {},
            "enabledMiddleware": {},
            "metrics": {"sampleRate": 0},
            "legacyVideoPluginsEnabled": False,
            "remotePlugins": [],
        }
    )


async def rudder_source(request: Request) -> Response:
    """One source without destinations; its statistics about itself stay off."""
    off: dict[str, Any] = {"enabled": False}
    source = {
        "id": "tactful",
        "name": "tactful",
        "writeKey": request.query_params.get("writeKey", ""),
        "enabled": True,
        "workspaceId": "tactful",
        "config": {"statsCollection": {"errors": off, "metrics": off}},
        "destinations": [],
        "connections": [],
        "dataplanes": {},
    }
    return answer({"source": source})
