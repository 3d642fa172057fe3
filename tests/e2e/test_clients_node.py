"""Segment's Node client, unmodified, over a real socket. Skipped where there is no Node 20 or no npm registry."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doorstep import SERVER, Doorstep, properties
from loopback import served

from tactful.clock import MINUTE

PACKAGE = "@segment/analytics-node@3.1.0"
PROGRAM = """
import { Analytics } from '@segment/analytics-node'
const [host, writeKey, at] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host, path: '/v1/batch', maxRetries: 0, flushAt: 15 })
const errors = []
analytics.on('error', (error) => errors.push(String(error.reason ?? error.code ?? error)))
const timestamp = new Date(Number(at))
analytics.identify({ userId: 'u1', traits: { email: 'u@example.test', firstName: 'Ada' }, timestamp })
analytics.track({ userId: 'u1', anonymousId: 'a1', event: 'Product Added', properties: { price: 39.9 }, timestamp })
analytics.page({ userId: 'u1', category: 'Shop', name: 'Home', timestamp })
analytics.screen({ userId: 'u1', name: 'Cart', timestamp })
analytics.group({ userId: 'u1', groupId: 'g1', traits: { size: 3 }, timestamp })
analytics.alias({ userId: 'u1', previousId: 'u0', timestamp })
for (let n = 0; n < 50; n++) analytics.track({ anonymousId: `many-${n}`, event: 'Product Viewed', timestamp })
await analytics.closeAndFlush()
console.log(JSON.stringify(errors))
"""

pytestmark = [pytest.mark.surroundings, pytest.mark.xdist_group("node-clients")]


@pytest.fixture(scope="module")
def program() -> Path:
    """The client, installed once into the virtual environment, and a program beside it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("no Node on this machine")
    version = subprocess.run([node, "-p", "process.versions.node"], check=True, capture_output=True, text=True).stdout
    if int(version.split(".")[0]) < 20:
        pytest.skip("the client needs Node 20")
    folder = Path(sys.prefix) / "node-clients"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker of this run may be at it
        folder.mkdir(exist_ok=True)
        install(npm, folder)
        (folder / "speak.mjs").write_text(PROGRAM)
    return folder / "speak.mjs"


def install(npm: str, folder: Path) -> None:
    """The client and what it needs, once."""
    if (folder / "complete").exists():
        return
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    installed = subprocess.run(
        [npm, "install", "--ignore-scripts", PACKAGE], check=False, cwd=folder, capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"npm cannot install {PACKAGE}: {installed.stderr[-300:]}")
    (folder / "complete").touch()


async def run(program: Path, *arguments: str) -> list[str]:
    """What the client complained of."""
    process = await asyncio.create_subprocess_exec(
        "node", str(program), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    complaints: list[str] = json.loads(out.splitlines()[-1])
    return complaints


async def test_the_node_client_delivers_every_call(program: Path) -> None:
    door = Doorstep()
    at = door.come_to_the_present() - MINUTE
    async with served(door.app) as host:
        assert await run(program, host, SERVER, str(at)) == []
    calls = sorted(event.body.name for event in door.events if event.key == "u1")
    assert calls == ["Alias", "Group", "Identify", "Page", "Product Added", "Screen"]
    assert sum(event.body.name == "Product Viewed" for event in door.events) == 50
    assert {event.body.occurred_at for event in door.events} == {at}
    [added] = [event for event in door.events if event.body.name == "Product Added"]
    assert properties(added)["price"] == [3990, "EUR"]
    assert ("anon:a1", "u1") in [(link.key, link.body.customer) for link in door.links]
    assert door.quarantined == []


async def test_the_node_client_is_told_that_its_key_is_wrong(program: Path) -> None:
    door = Doorstep()
    async with served(door.app) as host:
        complaints = await run(program, host, "wrong", "1795442400000")
    assert complaints
    assert door.diary.appends == []
