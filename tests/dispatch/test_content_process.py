"""Content in this process and in one of its own keep one contract; only the latter survives what eats the machine."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import pytest

from tactful_dispatch.content import Content, Rendering, TemplateError
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.direct import DirectContent
from tactful_dispatch.content.preview import sample
from tactful_dispatch.content.process import ProcessContent

SHIPPED = ContentSet.load()
CART = sample(SHIPPED, "abandoned_cart", "email")
EATERS = {
    "repeated": "{{ 'a' * n }}",
    "repeated before it runs": "{{ 'a' * 300000000 }}",
    "kept to itself": "{{ ('a' * (2 * n))|length }}",  # only the limit on memory stops it
    "padded": "{{ '%300000000d' % 1 }}",
    "centred": "{{ 'a'|center(300000000) }}",
    "looped": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "doubled": "{% set ns = namespace(a='aa') %}{% for i in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
    "powered": "{{ 9 ** n }}",
    "deep": "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
}
HUNGRY = ContentSet.of(
    {
        **SHIPPED.files,
        "eater/example.json": '{"data": {"n": 300000000}}',
        **{f"eater{n}/push.en.txt": body for n, body in enumerate(EATERS.values())},
    }
)


def eater(number: int) -> Rendering:
    return replace(sample(HUNGRY, "eater", "push"), template=f"eater{number}")


@pytest.fixture(params=["direct", "process"])
async def content(request: pytest.FixtureRequest) -> AsyncIterator[Content]:
    if request.param == "direct":
        yield DirectContent(SHIPPED)
    else:
        process = ProcessContent(SHIPPED)
        yield process
        await process.close()


@pytest.fixture
async def hungry() -> AsyncIterator[ProcessContent]:
    process = ProcessContent(HUNGRY)
    yield process
    await process.close()


async def test_a_message_is_rendered_with_the_version_it_came_from(content: Content) -> None:
    rendered = await content.render(CART)
    assert rendered.subject == "Uma, your Blue kettle is still here"
    assert rendered.version == content.version == SHIPPED.version
    assert rendered.links == ("https://shop.example/p1", "https://shop.example/cart")


async def test_both_ways_give_the_same_message() -> None:
    process = ProcessContent(SHIPPED)
    assert await process.render(CART) == await DirectContent(SHIPPED).render(CART)
    await process.close()


async def test_a_missing_value_is_named_and_the_next_message_is_written(content: Content) -> None:
    with pytest.raises(TemplateError, match=r"abandoned_cart/email\.en\.html:2: 'items' is undefined"):
        await content.render(replace(CART, data={"gift": False, "again": False}))
    assert (await content.render(CART)).text


async def test_messages_asked_for_at_once_each_get_their_own(content: Content) -> None:
    names = [f"Customer {n}" for n in range(20)]
    written = await asyncio.gather(*(content.render(replace(CART, first_name=name)) for name in names))
    assert [rendered.subject.partition(",")[0] for rendered in written] == names


@pytest.mark.parametrize("number", range(len(EATERS)), ids=list(EATERS))
async def test_a_template_that_eats_the_machine_is_stopped_and_the_next_message_is_written(
    hungry: ProcessContent, number: int
) -> None:
    await hungry.render(CART)
    began = time.monotonic()
    with pytest.raises(TemplateError, match=f"eater{number}"):
        await hungry.render(eater(number))
    assert time.monotonic() - began < 4
    assert (await hungry.render(CART)).subject == "Uma, your Blue kettle is still here"


async def test_a_message_that_nobody_waits_for_any_more_is_not_given_to_the_next_customer() -> None:
    content = ProcessContent(SHIPPED)
    await content.render(CART)
    for _ in range(3):
        first = asyncio.create_task(content.render(replace(CART, first_name="Uma")))
        await asyncio.sleep(0)  # the question is on its way
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await content.render(replace(CART, first_name="Vera"))).subject.startswith("Vera")
    await content.close()


async def test_a_process_that_was_killed_costs_the_next_message_nothing(hungry: ProcessContent) -> None:
    await hungry.render(CART)
    (victim,) = children()
    os.kill(victim, signal.SIGKILL)
    assert (await hungry.render(CART)).text
    os.kill(children()[0], signal.SIGSTOP)
    asked = asyncio.create_task(hungry.render(CART))
    await asyncio.sleep(0)  # the question is on its way
    os.kill(children()[0], signal.SIGKILL)
    assert (await asked).text
    assert victim not in children()


async def test_ctrl_c_in_the_terminal_of_a_server_is_not_for_the_process_that_renders(hungry: ProcessContent) -> None:
    await hungry.render(CART)
    (child,) = children()
    assert os.getpgid(child) != os.getpgrp()  # a terminal interrupts a whole group


def test_a_process_that_was_killed_costs_nothing_on_the_loop_of_servers_either() -> None:
    async def killed() -> str:
        content = ProcessContent(SHIPPED)
        await content.render(CART)
        os.kill(children()[0], signal.SIGKILL)
        while children():  # noqa: ASYNC110 - the kernel sets no event of ours
            await asyncio.sleep(0)  # until the loop has seen that it is gone
        try:
            return (await content.render(CART)).text
        finally:
            await content.close()

    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(killed())


async def test_closing_leaves_no_process_behind() -> None:
    before = children()
    content = ProcessContent(HUNGRY, deadline=1.0)
    with pytest.raises(TemplateError, match=r"takes longer than 1\.0 s"):
        await content.render(eater(list(EATERS).index("looped")))
    await content.render(CART)
    assert len(children()) == len(before) + 1
    await content.close()
    await content.close()
    assert children() == before


async def test_the_process_has_none_of_our_environment() -> None:
    content = ProcessContent(SHIPPED)
    await content.render(CART)
    (child,) = children()
    assert Path(f"/proc/{child}/environ").read_bytes() == b""  # noqa: ASYNC240 - no disk behind it
    await content.close()


async def test_a_process_whose_parent_is_gone_does_not_run_for_ever() -> None:
    question = (
        msgspec.json.encode(HUNGRY.files)
        + b"\n"
        + msgspec.json.encode(asdict(eater(list(EATERS).index("looped"))))
        + b"\n"
    )
    orphan = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tactful_dispatch.content.child", stdin=PIPE, stdout=PIPE
    )
    answered, _ = await orphan.communicate(question)
    assert answered.count(b"\n") == 1  # ready, and not another word
    assert orphan.returncode == -signal.SIGXCPU


async def test_a_machine_that_has_no_room_for_a_process_is_not_taken_for_a_template_that_needs_too_much() -> None:
    content = ProcessContent(SHIPPED)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), hard))
    try:
        with pytest.raises(TemplateError, match=r"^the process that renders does not start \(Too many open files\)$"):
            await content.render(CART)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (await content.render(CART)).subject
    await content.close()


async def test_a_process_that_does_not_start_is_named() -> None:
    unreadable = replace(SHIPPED, files={"a/push.en.txt": "---\nno end"})
    content = ProcessContent(unreadable)
    with pytest.raises(TemplateError, match=r"does not start; see why with: .* -m tactful_dispatch\.content\.child"):
        await content.render(CART)
    await content.close()


def children() -> list[int]:
    """Renderers of ours that are alive, or dead and not yet reaped; servers of other tests are none."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    told = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in listed}
    return sorted(int(pid) for pid, command in told.items() if not command or b"tactful_dispatch.content" in command)
