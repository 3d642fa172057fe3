"""`tactful templates`: for people who write messages, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tactful_dispatch.content import TemplateError
from tactful_dispatch.content.contentset import ContentSet
from tactful_workbench.commands.templates import app


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output. Errors by name are the command line's business, not the command's."""
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, TemplateError):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture
def shout(tmp_path: Path) -> Path:
    """A folder of the shop's own with a subject that is too long."""
    (tmp_path / "abandoned_cart").mkdir()
    template = "---\nsubject: " + "long " * 20 + "\n---\n{{ heading('Hi') }}"
    (tmp_path / "abandoned_cart" / "email.en.html").write_text(template)
    return tmp_path


def test_lint_has_nothing_to_say_about_what_ships() -> None:
    assert run("lint") == (0, f"nothing to mend in content set {ContentSet.load().version}\n")


def test_lint_names_what_to_mend_and_fails(shout: Path) -> None:
    code, output = run("lint", "--templates", str(shout))
    assert code == 1
    assert output.startswith("abandoned_cart/email.en.html:2: subject: the subject has 99 characters")


def test_lint_answers_in_json(shout: Path) -> None:
    code, output = run("lint", "--templates", str(shout), "--json")
    (finding,) = json.loads(output)["findings"]
    assert (code, finding["file"], finding["line"], finding["code"]) == (
        1,
        "abandoned_cart/email.en.html",
        2,
        "subject",
    )


def test_lint_fails_where_the_shops_language_is_not_spoken() -> None:
    code, output = run("lint", "--locale", "pt")
    assert code == 1
    assert "abandoned_cart/sms.pt.txt is missing" in output


def test_preview_shows_subject_and_text() -> None:
    code, output = run("preview", "abandoned_cart")
    assert code == 0
    assert output.startswith("Subject: Uma, your Blue kettle is still here\nPreheader: Saved for you, no hurry\n\n")


def test_lint_and_preview_say_what_the_settings_say_of_the_shop_and_do_without_a_broken_file(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[shop]\nname = "The long house of tea and of coffee and of everything else by the sea"\n')
    code, output = run("lint", "--data", str(tmp_path))
    assert (code, "abandoned_cart/sms.en.txt:1: sms_parts" in output) == (1, True)
    text = run("preview", "abandoned_cart", "--channel", "sms", "--data", str(tmp_path))[1]
    assert text.startswith("The long house of tea")
    settings.write_text("[shop\n")
    assert (
        "Sample shop: your basket" in run("preview", "abandoned_cart", "--channel", "sms", "--data", str(tmp_path))[1]
    )


def test_preview_shows_a_variant_the_html_and_json() -> None:
    assert "Subject: You meant to come back for this" in run("preview", "abandoned_cart", "--variant", "promise")[1]
    assert run("preview", "abandoned_cart", "--html")[1].startswith("<!DOCTYPE html>")
    assert json.loads(run("preview", "abandoned_cart", "--channel", "sms", "--json")[1])["language"] == "en"


def test_preview_of_a_variant_that_nobody_has_written_says_so() -> None:
    with pytest.raises(TemplateError, match=r"email\.en\.html has no variant promse; those it has: plain, promise"):
        run("preview", "abandoned_cart", "--variant", "promse")


def test_preview_in_a_language_that_is_missing_shows_english_and_of_a_missing_rule_says_so() -> None:
    assert "Still thinking it over?" in run("preview", "abandoned_cart", "--locale", "pt-BR")[1]
    with pytest.raises(TemplateError, match=r"nothing/example\.json is missing"):
        run("preview", "nothing")


@pytest.fixture
def eater(tmp_path: Path) -> Path:
    """A folder of the shop's own with a template that needs more of the machine than one message may have."""
    (tmp_path / "eater").mkdir()
    (tmp_path / "eater" / "push.en.txt").write_text("{{ ('a' * n)|length }}")
    (tmp_path / "eater" / "example.json").write_text('{"data": {"n": 600000000}}')
    return tmp_path


def test_lint_and_preview_give_a_template_no_more_than_a_message_has(eater: Path) -> None:
    code, output = run("lint", "--templates", str(eater))
    assert (code, output.partition(" rendering")[0]) == (1, "eater/push.en.txt:1: broken:")
    with pytest.raises(TemplateError, match=r"eater/push\.en\.txt:1: rendering used too much memory"):
        run("preview", "eater", "--channel", "push", "--templates", str(eater))
