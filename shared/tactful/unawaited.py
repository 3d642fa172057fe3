"""What a rule asks for and never awaits: Python says nothing of it, and the rule neither waits nor writes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, Final

_OPERATIONS: Final = frozenset(
    {"sleep", "sleep_until", "sleep_until_local", "quiet", "wait_for", "wait_any", "send", "get", "zone", "step"}
)


def unawaited(body: Callable[..., Any]) -> str:
    """The first operation that stands in a rule's body as a statement of its own, with its line; "" if there is none, or the
    source is not to be had."""
    try:
        lines, first = inspect.getsourcelines(body)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return ""
    run = next(iter(body.__code__.co_varnames[: body.__code__.co_argcount]), "")
    for node in ast.walk(tree):
        match node:
            case ast.Expr(ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=operation))) if (
                name == run and operation in _OPERATIONS
            ) or operation == "engaged":
                return f"line {first + node.lineno - 1} asks for it and goes on: write `await {name}.{operation}(…)`"
            case ast.Expr(ast.Call(func=ast.Attribute(attr="climb"), args=[ast.Name(id=name), *_])) if name == run:
                return f"line {first + node.lineno - 1} asks for it and goes on: write `await … .climb({run}, …)`"
    return ""
