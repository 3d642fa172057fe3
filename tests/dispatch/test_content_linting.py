"""Lint as a server does it: within limits, and once for each version."""

from __future__ import annotations

import tracemalloc

from tactful_dispatch.content import TemplateError
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.lint import lint
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


def test_what_a_template_would_compute_from_constants_alone_is_left_to_the_process_that_renders() -> None:
    content = ContentSet.of({**SHARED, "a/push.en.txt": "{{ 'a' * 30000000 }}", "a/example.json": "{}"})
    tracemalloc.start()
    try:
        lint(content, said={("a/push.en.txt", None): TemplateError("a/push.en.txt:1: too long")})
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
