"""Lint as a server does it: within limits, and once for each version."""

from __future__ import annotations

from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.linting import lint_within_limits

EATER = {"eater/push.en.txt": "{{ ('a' * n)|length }}", "eater/example.json": '{"data": {"n": 600000000}}'}
SHARED = {file: text for file, text in ContentSet.load().files.items() if "/" not in file}


async def test_what_is_right_is_rendered_once() -> None:
    content = ContentSet.of({**SHARED, "a/push.en.txt": "Hello", "a/example.json": "{}"})
    found = await lint_within_limits(content)
    assert found == []
    assert await lint_within_limits(content) is found


async def test_what_could_not_be_written_is_tried_again_since_that_may_have_been_the_machines_fault() -> None:
    content = ContentSet.of({**SHARED, **EATER})
    found = await lint_within_limits(content)
    assert [(each.file, each.code) for each in found] == [("eater/push.en.txt", "broken")]
    assert await lint_within_limits(content) is not found
