"""What is found wrong with templates before a customer gets them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from previews import preview

from tactful.settings import Shop
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.lint import Finding, lint
from tactful_dispatch.content.smsparts import parts

SHIPPED = ContentSet.load()
SHARED = {file: text for file, text in SHIPPED.files.items() if "/" not in file}
EMAIL = "a/email.en.html"
SMS = "a/sms.en.txt"


def find(file: str, text: str, others: dict[str, str] | None = None) -> list[Finding]:
    """What is found of one template, with what is shared by those that ship, and with `others` in place of it."""
    more = {"a/example.json": '{"data": {"known": 1}}', file: text, **(others or {})}
    return lint(ContentSet.of({**SHARED, **more}))


def codes(found: list[Finding]) -> list[tuple[int, str]]:
    return [(finding.line, finding.code) for finding in found]


def test_there_is_nothing_to_mend_in_what_ships() -> None:
    assert lint(SHIPPED) == []


def test_a_letter_that_keeps_to_the_layout_has_nothing_to_mend() -> None:
    assert find(EMAIL, "---\nsubject: Hello\n---\n{{ text('Hi') }}") == []


def test_a_layout_without_a_way_out_or_an_address_is_found_in_both_parts() -> None:
    found = find(EMAIL, "---\nsubject: Hello\n---\nHi", {"_layout.html": "<body>{{ body }}</body>"})
    mine = [finding for finding in found if finding.file == EMAIL]
    assert codes(mine) == [(1, "postal_address"), (1, "postal_address"), (1, "unsubscribe"), (1, "unsubscribe")]


def test_a_written_text_part_without_a_way_out_is_found() -> None:
    found = find(EMAIL, "---\nsubject: Hello\n---\nHi", {"a/email.en.txt": "Hi"})
    assert [(finding.code, finding.message) for finding in found] == [
        ("postal_address", "the text part has no shop.postal_address"),
        ("unsubscribe", "the text part has no links.unsubscribe"),
    ]


@pytest.mark.parametrize(
    ("subject", "body", "found"),
    [
        ("{{ words }}", "Hi", [(2, "taken")]),
        ("Hello", "Hi\n{{ text }}", [(5, "taken")]),
        ("{{ subject }}", "{{ text(data.text) }} {{ data.words }}", []),
    ],
)
def test_what_the_rule_gives_by_a_name_of_ours_is_found_where_it_is_not_said(
    subject: str, body: str, found: list[tuple[int, str]]
) -> None:
    given = '{"data": {"words": "some", "text": "more", "subject": "Hello"}}'
    told = find(EMAIL, f'---\nsubject: "{subject}"\n---\n{body}', {"a/example.json": given})
    assert [(finding.line, finding.code) for finding in told if finding.code == "taken"] == found
    assert all("write data." in finding.message for finding in told if finding.code == "taken")


def test_a_text_may_name_what_only_letters_have_blocks_for() -> None:
    assert find(SMS, "{{ text }} STOP", {"a/example.json": '{"data": {"text": "Hi"}}'}) == []


def test_a_picture_without_words_is_found_on_its_line() -> None:
    body = "---\nsubject: Hello\n---\nHi\n{{ image('https://shop.example/a.png', '') }}"
    assert codes(find(EMAIL, body)) == [(5, "alt_text"), (5, "foreign_link")]


GUIDE = Path(__file__).parents[2] / "docs/how-to/change-the-words.md"


def test_the_guides_example_makes_a_letter_in_one_language_alone(tmp_path: Path) -> None:
    brand, letter = re.findall(r"```(?:yaml|html)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "abandoned_cart").mkdir()
    (tmp_path / "brand.yaml").write_text(brand, encoding="utf-8")
    (tmp_path / "abandoned_cart" / "email.es.html").write_text(letter, encoding="utf-8")
    content = ContentSet.load(tmp_path)
    said = preview(content, "abandoned_cart", "email", ("es", "en"))
    words = content.brand.words["es"]
    for name in ("preferences", "pause", "unsubscribe", "delivery", "cart"):
        assert words[name] in said.text
    missing = {finding.file.partition("/")[0] for finding in lint(content, "es")}
    assert {finding.code for finding in lint(content, "es")} == {"language"}
    assert "brand.yaml" not in missing


def test_a_language_that_lacks_words_of_the_layout_is_found() -> None:
    found = find("a/email.es.html", "---\nsubject: Hola\n---\n{{ text('Hola') }}")
    assert [(finding.file, finding.code) for finding in found] == [
        ("a/email.es.html", "language"),
        ("brand.yaml", "language"),
    ]
    assert found[1].message.startswith("words.es lacks about, answer, cart, ")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('accent: "#ffcc00"', "accent #ffcc00 on #faf9f7 has a contrast of 1.4; from 4.5 on it can be read"),
        ('accent_dark: "#0f5c5c"', "accent_dark #0f5c5c on #1f2125 has a contrast of 2.1; from 4.5 on it can be read"),
        ("accent: teal", "accent: 'teal' is no colour like #0f5c5c"),
    ],
)
def test_a_colour_that_cannot_be_read_is_found(line: str, complaint: str) -> None:
    name, _, _ = line.partition(":")
    kept = [text for text in SHIPPED.files["brand.yaml"].splitlines() if not text.startswith(name + ":")]
    content = ContentSet.of({**SHIPPED.files, "brand.yaml": "\n".join([line, *kept])})
    assert lint(content) == [Finding("brand.yaml", 1, "contrast", complaint)]


@pytest.mark.parametrize(
    ("logo", "complaint"),
    [
        ("logo.png", "logo: logo.png is no address; letters show the shop's name instead"),
        (
            "https://cdn.example/logo.png",
            "logo: cdn.example is not among the domains; unless it is the shop's own, letters show its name instead",
        ),
        (
            "https://shop.example/our logo.png",
            "logo: https://shop.example/our logo.png is no address; letters show the shop's name instead",
        ),
        (
            "//cdn.example/logo.png",
            "logo: cdn.example is not among the domains; unless it is the shop's own, letters show its name instead",
        ),
        ("https://img.shop.example/logo.png", None),
        ("/logo.png", None),
    ],
)
def test_a_logo_that_letters_leave_out_is_found(logo: str, complaint: str | None) -> None:
    brand = SHIPPED.files["brand.yaml"].replace("domains: []", f"domains: [shop.example]\nlogo: {logo}")
    found = [each.message for each in find(EMAIL, "---\nsubject: Hello\n---\nHi", {"brand.yaml": brand})]
    assert found == ([complaint] if complaint else [])


def test_a_link_to_somewhere_else_is_found_on_its_line() -> None:
    (finding,) = find(EMAIL, "---\nsubject: Hello\n---\n\n<a href='https://elsewhere.example/x'>x</a>")
    assert finding == Finding(EMAIL, 5, "foreign_link", "elsewhere.example is not among the domains of brand.yaml")


def test_a_link_that_is_no_address_is_found_on_its_line() -> None:
    (finding,) = find(EMAIL, "---\nsubject: Hello\n---\n\n<a href='https://[your-shop]/x'>x</a>")
    no_address = "https://[your-shop]/x is no address; write it like https://shop.example/p1"
    assert finding == Finding(EMAIL, 5, "foreign_link", no_address)


def test_a_link_to_a_named_domain_is_fine() -> None:
    brand = SHIPPED.files["brand.yaml"].replace("domains: []", "domains: [elsewhere.example]")
    body = "---\nsubject: Hello\n---\n<a href='https://www.elsewhere.example/x'>x</a>"
    assert find(EMAIL, body, {"brand.yaml": brand}) == []


@pytest.mark.parametrize(("length", "found"), [(60, []), (61, [(2, "subject")]), (0, [(2, "broken")])])
def test_a_subject_is_neither_empty_nor_longer_than_a_phone_shows(length: int, found: list[tuple[int, str]]) -> None:
    assert codes(find(EMAIL, f'---\nsubject: "{"a" * length}"\n---\nHi')) == found


def test_a_variants_subject_is_looked_at_too() -> None:
    body = f"---\nsubject: Hello\nvariants:\n  long: {{subject: {'a' * 61}}}\n---\nHi"
    assert [finding.code for finding in find(EMAIL, body)] == ["subject"]


def test_a_letter_that_mail_programs_cut_off_is_found() -> None:
    assert codes(find(EMAIL, "---\nsubject: Hello\n---\n" + "long " * 25_000)) == [(1, "size")]


def test_a_name_that_nothing_provides_is_found_even_where_the_example_does_not_lead() -> None:
    (finding,) = find("a/push.en.txt", "---\nsubject: Hi\n---\n\n{% if known > 1 %}{{ knwon }}{% endif %}")
    assert (finding.line, finding.code) == (5, "unknown_variable")
    assert "knwon is nowhere" in finding.message


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (
            "{{ button('Buy', links.carts) }}",
            "links.carts is nowhere, and a block that is given it disappears: correct it",
        ),
        ("{{ note(words.delivry) }}", "words.delivry is nowhere, and a block that is given it disappears: correct it"),
        ("{{ note(words.delivry|default('')) }}{% if links.b is defined %}{% endif %}{{ words.get('b', '') }}", None),
        ("{{ button('Buy', links.cart) }}{{ note(words.delivery) }}{{ text(shop.name) }}", None),
        ("{% if words.late is defined %}{{ note(words.late) }}{% endif %}", None),
        ("{% for shop in [{'street': 'Elm St'}] %}{{ note(shop.street) }}{% endfor %}", None),
    ],
)
def test_a_slip_of_the_pen_that_would_cost_a_letter_its_button_is_found(body: str, found: str | None) -> None:
    messages = [(each.line, each.message) for each in find(EMAIL, f"---\nsubject: Hello\n---\n{body}")]
    assert messages == ([(4, found)] if found else [])


def test_what_a_letter_uses_and_nobody_has_words_for_is_found() -> None:
    found = find(EMAIL, "---\nsubject: Hello\nuses: [cart, carts]\n---\nHi")
    assert codes(found) == [(3, "language")]
    assert found[0].message == "uses carts, and brand.yaml has no words.en.carts for it: letters say carts"


def test_a_template_that_cannot_be_rendered_is_found_on_its_line() -> None:
    found = find("a/push.en.txt", "---\nsubject: Hi\n---\n\n{{ known.name.first }}")
    assert codes(found) == [(5, "broken")]
    assert codes(find("a/push.en.txt", "\n\n{% for %}")) == [(3, "broken")]


def test_a_template_without_an_example_is_found() -> None:
    content = ContentSet.of({**SHIPPED.files, "a/push.en.txt": "Hi"})
    assert [(finding.file, finding.code) for finding in lint(content)] == [("a/push.en.txt", "broken")]


@pytest.mark.parametrize(
    "file", ["a/email.english.v2.html", "a/email.es.htm", "a/reminder.txt", "a/texto.es.txt", "a/email/es.html"]
)
def test_a_file_of_which_no_message_is_made_is_found(file: str) -> None:
    assert (file, "name") in [(finding.file, finding.code) for finding in find(file, "Hola")]


def test_a_language_that_is_none_is_found() -> None:
    assert (1, "broken") in codes(find("a/email.ua.html", "---\nsubject: Привіт\n---\n"))


def test_a_channel_that_does_not_speak_the_shops_language_is_found() -> None:
    content = ContentSet.of({**SHIPPED.files, "abandoned_cart/push.pt.txt": "Espera"})
    speak_english = [template.file for template in SHIPPED.templates.values() if template.language == "en"]
    others = [file for file in speak_english if "abandoned_cart/push" not in file]
    found = [finding.file for finding in lint(content, "pt-PT") if finding.code == "language"]
    assert sorted(found) == sorted(others)


@pytest.mark.parametrize("locale", ["en", "ru", "ru-RU"])
def test_what_ships_speaks_english_and_russian_without_anything_to_mend(locale: str) -> None:
    assert lint(SHIPPED, locale) == []


@pytest.mark.parametrize(
    "block",
    ["button('Go', 'myshop.example/cart')", "image('tea.png', 'Tea')", "survey('Why?', url='www.shop.example')"],
)
def test_an_address_without_a_scheme_that_a_block_is_given_is_found(block: str) -> None:
    (finding,) = find(EMAIL, f"---\nsubject: Hello\n---\nHi\n{{{{ {block} }}}}")
    assert (finding.line, finding.code, "a block that is given it disappears" in finding.message) == (
        5,
        "foreign_link",
        True,
    )


def test_addresses_of_the_shops_own_pages_and_links_of_ours_are_left_alone() -> None:
    body = "{{ button('Go', '/cart') }}{{ button('Go', links.cart) }}{{ image('//shop.example/a.png', 'Tea') }}"
    assert find(EMAIL, f"---\nsubject: Hello\n---\n{body}") == []


def test_a_filter_that_there_is_not_is_found_with_its_line() -> None:
    (finding,) = find(EMAIL, "---\nsubject: Hello\n---\nHi\n{{ 12|mony }}")
    assert (finding.line, finding.code, finding.message) == (5, "broken", "No filter named 'mony'; mend that line")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            "brand.yml",
            "nothing is made of this file; beside the folders of messages there are brand.yaml and _layout.html",
        ),
        ("layout.html", "nothing is made of this file; beside"),
        ("email.en.html", "nothing is made of this file; beside"),
        ("a/sms.en.html", "no message is made of this file; call it like email.en.html or sms.en.txt"),
        ("a/exmple.json", "nothing is made of this file; what a message would show is called example.json"),
    ],
)
def test_a_file_whose_name_makes_it_nothing_is_found(tmp_path: Path, file: str, said: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("{}")
    (finding,) = (finding for finding in lint(ContentSet.load(tmp_path)) if finding.code == "name")
    assert (finding.file, finding.message.startswith(said)) == (file, True)


def test_what_else_lies_beside_templates_is_left_alone(tmp_path: Path) -> None:
    for file in ("README.txt", "package.json", "abandoned_cart/notes.json"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("{}")
    assert lint(ContentSet.load(tmp_path)) == []


def test_markup_in_a_push_is_found() -> None:
    assert codes(find("a/push.en.txt", "---\nsubject: Hi\n---\n<b>Hi</b>")) == [(4, "markup")]


def test_an_sms_of_two_parts_or_without_a_way_out_is_found() -> None:
    assert codes(find(SMS, "Hi {{ links.unsubscribe }}")) == []
    assert codes(find(SMS, "Hi")) == [(1, "unsubscribe")]
    for words in (
        "Hi, reply STOP to end",
        "Hi, answer UNSUBSCRIBE",
        "Привет, ответьте СТОП",
        "Привет, ответьте ОТПИСКА",
        "Hola, responde BAJA para no recibir más",
        "Hola, responde PARAR",
    ):
        assert codes(find(SMS, words)) == []
    assert codes(find(SMS, "Hallo, antworte STOPP")) == [(1, "unsubscribe")]  # which ends nothing
    (finding,) = find(SMS, "Hello there " * 13 + "{{ links.unsubscribe }}")
    assert "in GSM-7 are 2 parts; shorten it to 1" in finding.message
    (finding,) = find(SMS, "Привет " * 18 + "{{ links.unsubscribe }}")
    assert "in UCS-2, for the letters Привет, are 3 parts; shorten it to 2" in finding.message


def test_a_text_is_counted_with_the_shops_own_name_and_address() -> None:
    text = "{{ shop.name }}: " + "x" * 90 + " {{ tracked(shop.url) }} STOP"
    content = ContentSet.of({**SHARED, SMS: text, "a/example.json": "{}"})
    assert lint(content) == []
    for shop in (Shop(name="The long house of tea and of coffee by the sea"), Shop(name="Чай")):
        (finding,) = lint(content, shop=shop)
        assert finding.code == "sms_parts"
    far = Shop(name="Tea", public_url="https://messages-to-customers.the-house-of-tea.example/tactful")
    assert "2 parts" in lint(content, shop=far)[0].message


def test_a_postal_address_over_several_lines_is_found_in_the_letter() -> None:
    content = ContentSet.of({**SHARED, EMAIL: "---\nsubject: Hello\n---\n{{ text('Hi') }}", "a/example.json": "{}"})
    assert lint(content, shop=Shop(postal_address="Tea & sons\n  3 Quay\nPorto")) == []


def test_a_price_leaves_a_text_in_one_part_in_every_language() -> None:
    body = "Tu cesta {{ [3990, 'EUR']|money }} y {{ [123456700, 'EUR']|money }}" + " te espera" * 9 + " STOP"
    for language in ("es", "de", "fr", "pl"):
        files = {**SHIPPED.files, "a/example.json": "{}", f"a/sms.{language}.txt": body}
        text = preview(ContentSet.of(files), "a", "sms", (language,)).text
        assert parts(text) == (1, "GSM-7"), text


def test_the_carts_sms_is_one_part() -> None:
    assert parts(preview(SHIPPED, "abandoned_cart", "sms").text) == (1, "GSM-7")


@pytest.mark.parametrize(
    ("text", "number", "encoding"),
    [
        ("", 1, "GSM-7"),
        ("a" * 160, 1, "GSM-7"),
        ("a" * 161, 2, "GSM-7"),
        ("a" * 306, 2, "GSM-7"),
        ("a" * 307, 3, "GSM-7"),
        ("€" * 80, 1, "GSM-7"),
        ("€" * 81, 2, "GSM-7"),
        ("€" * 153, 3, "GSM-7"),  # 76 in a part: half of the 77th would be left over
        ("ж" * 70, 1, "UCS-2"),
        ("ж" * 71, 2, "UCS-2"),
        ("ж" * 134, 2, "UCS-2"),
        ("ж" * 135, 3, "UCS-2"),
        ("🫖" * 35, 1, "UCS-2"),
        ("🫖" * 67, 3, "UCS-2"),  # 33 in a part
        ("a" * 70 + "…", 2, "UCS-2"),
    ],
)
def test_parts_of_an_sms_are_counted_as_they_are_paid(text: str, number: int, encoding: str) -> None:
    assert parts(text) == (number, encoding)


@given(st.text(max_size=400), st.text(max_size=5))
def test_a_longer_text_never_takes_fewer_parts(text: str, more: str) -> None:
    assert parts(text + more).number >= parts(text).number
