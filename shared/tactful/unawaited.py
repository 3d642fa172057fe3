"""What a rule asks for and never awaits: Python says nothing of it, and the rule neither waits nor writes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Final

_OPERATIONS: Final = frozenset(
    {"sleep", "sleep_until", "sleep_until_local", "quiet", "wait_for", "wait_any", "send", "get", "zone", "step"}
)


def unawaited(body: Callable[..., Any]) -> str:
    """The first operation in a rule's body that is left alone, or read as if it were its result, with its line; "" if there is
    none, or the source is not to be had."""
    try:
        lines, first = inspect.getsourcelines(body)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return ""
    run = next(iter(body.__code__.co_varnames[: body.__code__.co_argcount]), "")
    for asked, form in sorted(_not_handed_on(tree), key=lambda found: found[0].lineno):
        if awaited := _awaited(asked, run):
            return f"line {first + asked.lineno - 1} asks for it and goes on: write `{form.format(awaited)}`"
    return ""


def _awaited(asked: ast.expr, run: str) -> str:
    """How whoever asked for it gets it; "" if it is no operation."""
    match asked:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=operation)) if (
            name == run and operation in _OPERATIONS
        ) or (operation == "engaged" and (asked.args or asked.keywords)):
            return f"await {name}.{operation}(…)"
        case ast.Call(func=ast.Attribute(attr="climb"), args=[ast.Name(id=name), *_]) if name == run:
            return f"await … .climb({run}, …)"
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="again")) if name == run:
            return f"return {name}.again()"
    return ""


def _not_handed_on(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """What is left alone, read on the spot, or given a name under which it is only read; and how the same stands there awaited."""
    nodes = list(ast.walk(tree))
    read = [value for node in nodes for value in _read(node)]
    names = {id(value) for value in read}
    handed_on = {
        node.id for node in nodes if isinstance(node, ast.Name) and type(node.ctx) is ast.Load and id(node) not in names
    }
    for node in nodes:
        match node:
            case ast.Expr(value=value):
                yield value, "{}"
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in handed_on:
                yield value, "{}"
    for value in read:
        yield value, "({})"


def _read(node: ast.AST) -> tuple[ast.expr, ...]:
    """What is there for its value, which no operation has before it is awaited."""
    match node:
        case ast.Attribute(value=value) | ast.Subscript(value=value):
            return (value,)
        case ast.Compare(left=left, comparators=others):
            return (left, *others)
        case ast.If(test=test) | ast.While(test=test) | ast.UnaryOp(operand=test):
            return (test,)
    return ()
