"""The content set: which files are read, what they mean, and how a broken one is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from previews import preview

from tactful_dispatch.content import TemplateError
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.letter import letter

SHIPPED = ContentSet.load()


def test_a_shops_own_file_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "abandoned_cart").mkdir()
    (tmp_path / "abandoned_cart" / "push.en.txt").write_text("---\nsubject: Ours\n---\nOurs alone\n")
    content = ContentSet.load(tmp_path)
    assert preview(content, "abandoned_cart", "push").text == "Ours alone"
    sms = preview(content, "abandoned_cart", "sms")
    assert sms == replace(preview(SHIPPED, "abandoned_cart", "sms"), version=content.version)


def test_a_shops_brand_says_only_what_is_different(tmp_path: Path) -> None:
    words = '{en: {delivery: "Here in two days."}, es: {pause: "Pausa de 30 días"}}'
    (tmp_path / "brand.yaml").write_text(f'accent: "#7a1f5c"\nwords: {words}\n', encoding="utf-8")
    content = ContentSet.load(tmp_path)
    assert content.brand.accent == "#7a1f5c"
    assert content.brand.accent_dark == SHIPPED.brand.accent_dark
    assert content.brand.words["en"] == SHIPPED.brand.words["en"] | {"delivery": "Here in two days."}
    assert content.brand.words["ru"] == SHIPPED.brand.words["ru"]
    assert content.brand.words["es"] == {"pause": "Pausa de 30 días"}
    assert content.version != SHIPPED.version
    letter_ = preview(content, "abandoned_cart", "email")
    assert "Here in two days." in letter_.text
    assert "#7a1f5c" in letter_.html


def test_nothing_is_promised_of_delivery_unless_the_shop_says_it() -> None:
    assert SHIPPED.brand.words["en"]["delivery"] == SHIPPED.brand.words["ru"]["delivery"] == ""


def test_a_brand_of_the_shop_that_is_wrong_is_named_with_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "brand.yaml").write_text("accent: '#000000'\n\ncolour: red\n")
    with pytest.raises(TemplateError, match=r"brand\.yaml:3: .*`colour`"):
        ContentSet.load(tmp_path)


@pytest.mark.parametrize("domain", ["CDN.Example", "*.cdn.example", ".cdn.example", "cdn.example"])
def test_a_domain_is_a_host_and_what_is_under_it_however_it_is_written(domain: str) -> None:
    assert ContentSet.of({"brand.yaml": f"domains: ['{domain}']"}).brand.domains == ("cdn.example",)


@pytest.mark.parametrize(
    "domain", ["https://cdn.example", "cdn.example/", "cdn example", "cdn.example:443", "", "*", "ü..example"]
)
def test_a_domain_that_is_no_host_is_named_with_its_line(tmp_path: Path, domain: str) -> None:
    (tmp_path / "brand.yaml").write_text(f"accent: '#000000'\ndomains: ['{domain}']\n")
    with pytest.raises(TemplateError, match=r"brand\.yaml:2: .* is no host; write it like shop\.example"):
        ContentSet.load(tmp_path)


def test_every_file_counts_in_the_version(tmp_path: Path) -> None:
    versions = {SHIPPED.version}
    for name in ("brand.yaml", "_layout.html", "abandoned_cart/example.json", "abandoned_cart/sms.en.txt"):
        versions.add(ContentSet.of({**SHIPPED.files, name: SHIPPED.files[name] + "\n"}).version)
    assert len(versions) == 5


def test_the_same_files_are_the_same_version_in_whatever_order() -> None:
    backwards = dict(reversed(list(SHIPPED.files.items())))
    assert ContentSet.of(backwards).version == SHIPPED.version == ContentSet.load().version


@pytest.mark.parametrize(
    ("file", "locale", "language"),
    [
        ("email.zh-Hant.html", "zh-Hant-TW", "zh-Hant"),
        ("email.sr-Latn.html", "sr_Latn_RS", "sr-Latn"),
        ("email.es-419.html", "es-419", "es-419"),
        ("email.pt-br.html", "pt-BR", "pt-BR"),
        ("email.pt_BR.html", "pt-br", "pt-BR"),
        ("Email.ES.html", "es-MX", "es"),
    ],
)
def test_a_file_may_name_any_language_in_any_case(file: str, locale: str, language: str) -> None:
    content = ContentSet.of({**SHIPPED.files, f"a/{file}": "---\nsubject: Hola\n---\n", "a/example.json": "{}"})
    assert preview(content, "a", "email", (locale, "en")).language == language


def test_a_shops_file_takes_the_place_of_the_shipped_one_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "abandoned_cart").mkdir()
    (tmp_path / "abandoned_cart" / "Push.EN.txt").write_text("Ours alone")
    assert preview(ContentSet.load(tmp_path), "abandoned_cart", "push").text == "Ours alone"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\ufeff---\nsubject: Hola\n---\nhola", 4),
        ("--- \nsubject: Hola\n---\t\nhola", 4),
        ("\n \n---\nsubject: Hola\n---\nhola", 6),
        ("---\n---\nhola", 3),
    ],
)
def test_front_matter_may_have_a_mark_or_blanks_about_it_or_be_empty(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "push.es.txt").write_text(text, encoding="utf-8")
    template = ContentSet.load(tmp_path).templates["a", "push", "es", "txt"]
    assert (template.body, template.line) == ("hola", line)
    assert template.matter.subject == ("Hola" if "Hola" in text else "")


def test_a_folder_may_be_a_link_as_kubernetes_mounts_it(tmp_path: Path) -> None:
    versioned, mounted = tmp_path / "..2026_11_30", tmp_path / "a"
    (versioned / "a").mkdir(parents=True)
    (versioned / "a" / "push.en.txt").write_text("hello")
    mounted.symlink_to(versioned / "a")
    content = ContentSet.load(tmp_path)
    assert content.templates["a", "push", "en", "txt"].body == "hello"
    assert [file for file in content.files if ".." in file] == []


def test_what_a_system_or_an_editor_has_hidden_beside_templates_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "._push.en.txt").write_bytes(b"\x00\x05\x16\x07\xff")  # macOS, on a disk of another system
    assert ContentSet.load(tmp_path).version == SHIPPED.version


def test_a_folder_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    assert ContentSet.load(tmp_path / "nowhere").version == SHIPPED.version


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("a/push.en.txt", "---\nsubject: Hello\n", r"a/push\.en\.txt:1: the front matter has no end"),
        ("a/push.en.txt", "\n---\nsubject: [b]\n---\n", r"a/push\.en\.txt:3: Expected `str`, got `array`"),
        ("a/push.en.txt", "---\nuses: [cart\n---\n", r"a/push\.en\.txt:\d: .*mend that line"),
        ("a/push.en.txt", "---\npreheader: a\nsubjcet: b\n---\n", r"a/push\.en\.txt:3: .*`subjcet`"),
        ("a/push.en.txt", "---\npreheader: a\nsubject: [b]\n---\n", r"a/push\.en\.txt:3: Expected `str`, got `array`"),
        ("a/push.en.txt", "---\n- a\n---\n", r"a/push\.en\.txt:2: Expected `object`"),
        ("brand.yaml", "accent: '#000000'\ncolour: red\n", r"brand\.yaml:2: .*`colour`"),
        (
            "a/push.en.txt",
            "---\nsubject: a\nsubject: b\n---\n",
            r"a/push\.en\.txt:3: subject stands here for the second time",
        ),
        ("brand.yaml", "words: {en: {}}\nwords: {es: {}}\n", r"brand\.yaml:2: words stands here for the second time"),
        ("brand.yaml", "accent: '\x00'\n", r"brand\.yaml:\d: .*mend that line"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(file: str, text: str, complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        ContentSet.of({**SHIPPED.files, file: text})


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "brand.yaml").write_bytes(b"accent: \xff")
    with pytest.raises(TemplateError, match=r"brand\.yaml: .*save the file as UTF-8"):
        ContentSet.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "Expected `object`"),
        ("{", "example.json: "),
        ('{"data": [1]}', r"a/example\.json: Expected `object`, got `array` - at `\$\.data`; mend it"),
        ('{"first_name": 5}', r"a/example\.json: .*`\$\.first_name`"),
        ('{"because_at": "Monday"}', r"a/example\.json: .*`\$\.because_at`"),
    ],
)
def test_an_example_that_says_something_of_another_kind_is_named(text: str, complaint: str) -> None:
    content = ContentSet.of({"a/example.json": text})
    with pytest.raises(TemplateError, match=complaint):
        content.example("a")


def test_a_rule_without_an_example_is_named() -> None:
    with pytest.raises(TemplateError, match=r"nothing/example\.json is missing"):
        SHIPPED.example("nothing")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo\n"),
        ("<h1>A\n  b</h1>c&nbsp;&amp; d", "A b\n\nc & d\n"),
        ("<head><title>no</title></head><style>p{}</style><p>yes</p>", "yes\n"),
        ('<a href="https://a.example">Go <b>on</b></a>', "Go on: https://a.example\n"),
        ('<a href="https://a.example">Why?</a>', "Why? https://a.example\n"),
        ('<a data-text="words" href="https://a.example">Go</a>', "Go\n"),
        ('a<span data-text="line"> · </span>b', "a\nb\n"),
        ('<div data-text="none">a<div>b<br></div>c</div>d', "d\n"),
        ("<table><tr><td>a</td><td>b<br>c</td></tr></table>", "a b\nc\n"),
        ("a<!-- b -->c", "ac\n"),
    ],
)
def test_html_becomes_a_letter(html: str, text: str) -> None:
    assert letter(html) == text
