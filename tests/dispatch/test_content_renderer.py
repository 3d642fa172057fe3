"""One message, rendered: what it says, what it never says, and what is complained about."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tactful.answers import HURTS
from tactful.events.model import Money
from tactful_dispatch.content import Rendered, TemplateError
from tactful_dispatch.content.contentset import ContentSet, fallbacks
from tactful_dispatch.content.preview import sample
from tactful_dispatch.content.renderer import Renderer
from tactful_dispatch.content.tracking import gist, track
from tactful_dispatch.questions import REASONS

SHIPPED = ContentSet.load()
SHIPPED_RENDERER = Renderer(SHIPPED)
KETTLE = {"title": "Blue kettle", "quantity": 1, "price": [3990, "EUR"], "url": "https://shop.example/p1"}


def render(channel: str = "email", **changes: Any) -> Rendered:
    """The shipped cart message; `changes` are fields of the rendering."""
    return SHIPPED_RENDERER.render(replace(sample(SHIPPED, "abandoned_cart", channel), **changes))


def basket(*items: dict[str, Any], gift: bool = False, again: bool = False) -> dict[str, Any]:
    return {"items": list(items), "gift": gift, "again": again, "shown": 3, "value": None, "cart_id": "c1"}


def written(body: str, file: str = "welcome/email.en.html", **more: str) -> ContentSet:
    """The shipped set with one more template."""
    return ContentSet.of({**SHIPPED.files, "welcome/example.json": '{"data": {}}', file: body, **more})


def say(body: str, channel: str = "push", data: dict[str, Any] | None = None, language: str = "en") -> str:
    """The text of a template made of `body`."""
    kind = "html" if channel == "email" else "txt"
    head = "---\nsubject: Hello\n---\n" if channel == "email" else ""
    content = written(head + body, f"welcome/{channel}.{language}.{kind}")
    return Renderer(content).render(sample(content, "welcome", channel, (language,), data=data or {})).text.strip()


def complaint(body: str, **given: Any) -> str:
    content = written(body)
    with pytest.raises(TemplateError) as caught:
        Renderer(content).render(sample(content, "welcome", "email", **given))
    return str(caught.value)


# --- what the cart's messages say ------------------------------------------------------------------------------------


def test_the_subject_names_the_customer_and_the_first_thing() -> None:
    assert render().subject == "Uma, your Blue kettle is still here"


def test_without_a_first_name_the_subject_still_is_a_sentence() -> None:
    assert render(first_name=None).subject == "Your Blue kettle is still here"


def test_a_long_name_does_not_fill_the_subject() -> None:
    whole = "Set of six lid glass bowls with a red retrospot, dishwasher safe, for oven and freezer"
    rendered = render(data=basket({**KETTLE, "title": whole}))
    assert rendered.subject == "Uma, your Set of six lid glass bowls with a red… is still here"
    assert whole in rendered.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b", "a b"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 39 + "…"),
        ("one, " * 9, "one, one, one, one, one, one, one…"),
        ("e\u0301" * 30, "e\u0301" * 19 + "…"),
        ("x" * 38 + "\U0001f469\u200d\U0001f467 and more", "x" * 38 + "…"),
    ],
)
def test_what_is_shortened_ends_between_two_words_and_never_within_a_letter(text: str, words: str) -> None:
    assert say("{{ text|short }}", data={"text": text}) == words


def test_names_that_a_shop_posts_as_its_pages_hold_them_are_read_as_meant() -> None:
    rendered = render(first_name="O&#39;Neil", data=basket({**KETTLE, "title": "Caf&eacute; &amp; cr&egrave;me"}))
    assert rendered.subject == "O'Neil, your Café & crème is still here"
    assert "Café &amp; crème</" in rendered.html
    assert "Café & crème\n" in rendered.text


def test_no_markup_comes_of_a_name_however_it_was_posted() -> None:
    assert "<script>" not in render(data=basket({**KETTLE, "title": "&lt;script&gt;alert(1)&lt;/script&gt;"})).html


@pytest.mark.parametrize(("language", "turned"), [("ar", 2), ("he", 2), ("fa-IR", 2), ("de", 0), ("zh-Hant", 0)])
def test_a_letter_runs_as_its_language_is_written(language: str, turned: int) -> None:
    content = written("---\nsubject: Hello\n---\n", f"welcome/email.{language}.html")
    html = Renderer(content).render(sample(content, "welcome", "email", (language,), data={})).html
    assert html.count('dir="rtl"') == turned, "also within, since web mail drops what surrounds a letter"


@pytest.mark.parametrize(
    ("name", "title", "subject"),
    [
        ("שרה", "Blue kettle", "\u200e\u2068שרה\u2069, your Blue kettle is still here"),
        ("أحمد", "كتب (Pro) 3", "\u200e\u2068أحمد\u2069, your \u200e\u2068كتب (Pro) 3\u2069 is still here"),
        ("Анна", "7 כדים", "Анна, your \u200e\u20687 כדים\u2069 is still here"),
    ],
)
def test_a_name_written_the_other_way_does_not_turn_the_subject(name: str, title: str, subject: str) -> None:
    assert render(first_name=name, data=basket({**KETTLE, "title": title})).subject == subject


def test_in_a_letter_from_right_to_left_it_is_the_latin_names_that_are_kept_apart() -> None:
    content = written('---\nsubject: "{{ first_name }}, {{ thing|short }}"\n---\n', "welcome/email.he.html")
    told = sample(content, "welcome", "email", ("he",), data={"thing": "כד"})
    assert Renderer(content).render(replace(told, first_name="Uma")).subject == "\u200f\u2068Uma\u2069, כד"


def test_a_gift_is_not_named_in_the_subject() -> None:
    rendered = render(data=basket(KETTLE, gift=True))
    assert rendered.subject == "Your basket is still here"


def test_a_second_letter_says_that_there_is_no_third() -> None:
    rendered = render(data=basket(KETTLE, again=True))
    assert rendered.subject == "Your basket is still here"
    assert "We will not write about it again." in rendered.text


def test_who_buys_in_the_store_too_may_forget_a_letter_about_what_they_have_bought_there() -> None:
    said = ["bought it in the store" in render(data=basket(KETTLE) | more).text for more in ({}, {"store": True})]
    assert said == [False, True]


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("late", "Your order came days later than we had promised."),
        ("returned", "Something you ordered was faulty and you sent it back."),
        ("rated", "You told us that you were not content (Dented)."),
        ("", "You told us that something went wrong (Dented)."),
    ],
)
def test_a_letter_after_a_complaint_says_they_complained_only_if_they_did(cause: str, words: str) -> None:
    data = {"ticket_id": "t1", "about": "Dented", "cause": cause}
    text = SHIPPED_RENDERER.render(sample(SHIPPED, "complaint_followup", "email", data=data)).text
    assert words in " ".join(text.split())
    assert ("told us" in text) == (cause in ("", "rated"))
    assert ("complaint was closed" in text, "put right" in text) == (not cause, not cause)


def test_a_thing_without_a_picture_has_no_picture_cell() -> None:
    html = render().html
    assert html.count('width="88"') == 1
    assert html.count('colspan="2"') == 1


def test_three_things_are_shown_and_the_rest_is_a_number() -> None:
    items = [{**KETTLE, "title": f"Thing {n}"} for n in range(1, 8)]
    text = render(data=basket(*items)).text
    assert "Thing 3" in text
    assert "Thing 4" not in text
    assert "and 4 more" in text


def test_exactly_three_things_leave_no_rest() -> None:
    assert "more" not in render(data=basket(KETTLE, KETTLE, KETTLE)).text.replace("No more", "")


def test_a_price_that_is_not_known_is_not_shown() -> None:
    assert "None" not in render(data=basket({**KETTLE, "price": None})).text


def test_the_reason_for_the_letter_is_its_last_paragraph_above_the_links() -> None:
    above = render().text.partition("Why did I get this?")[0].strip()
    assert above.endswith(
        "You get this letter because you left something in your basket on Monday 23 November. "
        "To write it, we looked at your basket."
    )


def test_the_day_in_the_reason_is_the_recipients() -> None:
    just_before_midnight_in_madrid = 1795474200000  # 2026-11-23T23:30:00+01:00
    assert "Monday 23 November" in render(because_at=just_before_midnight_in_madrid).text
    assert "Tuesday 24 November" in render(because_at=just_before_midnight_in_madrid, zone="Asia/Tokyo").text


def test_the_letter_says_how_to_say_no_and_who_writes() -> None:
    rendered = render()
    for part in (rendered.text, rendered.html):
        for words in ("No more cart reminders", "Pause 30 days", "Unsubscribe", "1 Market Street, Madrid"):
            assert words in part


@pytest.mark.parametrize("channel", ["push", "sms"])
def test_push_and_sms_name_nothing_from_the_basket(channel: str) -> None:
    rendered = render(channel)
    for words in ("kettle", "Tea", "39", "Uma"):
        assert words not in rendered.subject + rendered.text


@pytest.mark.parametrize("channel", ["email", "push", "sms"])
def test_no_message_shouts(channel: str) -> None:
    rendered = render(channel)
    assert "!" not in rendered.subject + rendered.preheader + rendered.text


def test_lists_call_a_text_by_its_words_and_not_by_a_link_that_is_none_yet() -> None:
    assert gist(render()) == render().subject
    assert gist(render("sms")) == "Sample shop: your basket is saved: Reply STOP to get no more texts."


def test_one_thing_is_counted_in_the_singular() -> None:
    assert render("push", data=basket(KETTLE)).text.startswith("One thing is waiting")
    assert render("push").text.startswith("2 things are waiting")


# --- choosing --------------------------------------------------------------------------------------------------------

RUSSIAN = {"abandoned_cart/push.ru.txt": "---\nsubject: Корзина\n---\nЖдёт", "abandoned_cart/push.pt-BR.txt": "Espera"}
SPEAKING = ContentSet.of({**SHIPPED.files, **RUSSIAN})


@pytest.mark.parametrize(
    ("locales", "language"),
    [
        (("ru-RU", "en"), "ru"),
        (("ru_RU", "en"), "ru"),
        (("ru", "en"), "ru"),
        (("pt-BR", "en"), "pt-BR"),
        (("pt-PT", "en"), "en"),
        (("de", "ru", "en"), "ru"),
        (("en",), "en"),
    ],
)
def test_a_language_falls_back_to_one_that_is_written(locales: tuple[str, ...], language: str) -> None:
    rendered = Renderer(SPEAKING).render(replace(sample(SPEAKING, "abandoned_cart", "push"), locales=locales))
    assert rendered.language == language


@pytest.mark.parametrize(
    ("locale", "file"),
    [
        ("zh-TW", "zh-Hant"),
        ("zh_HK", "zh-Hant"),
        ("zh-CN", "zh-Hans"),
        ("zh-Hant-TW", "zh-Hant"),
        ("sr-ME", "sr-Latn"),
        ("iw-IL", "he"),
        ("he", "iw"),
        ("in", "id"),
        ("nb-NO", "no"),
        ("no", "nb"),
    ],
)
def test_a_language_is_found_by_whatever_name_a_customer_s_device_gives_it(locale: str, file: str) -> None:
    content = written("---\nsubject: Hello\n---\n", f"welcome/email.{file}.html")
    chosen = content.choose("welcome", "email", (locale, "en"), "html")
    assert chosen is not None
    assert chosen.language == file


def test_what_is_written_for_a_country_goes_before_what_is_written_for_a_script() -> None:
    assert list(fallbacks("zh-TW")) == ["zh-TW", "zh-Hant", "zh"]
    assert list(fallbacks("zh")) == ["zh", "zh-Hans"]
    assert list(fallbacks("sr-Latn-RS")) == ["sr-Latn-RS", "sr-Latn", "sr"]


def test_of_a_language_beyond_all_length_the_beginning_is_looked_for() -> None:
    tried = list(fallbacks("ru" + "-x" * 1000))
    assert (len(tried) < 64, tried[-1]) == (True, "ru")


def test_a_message_in_no_language_of_the_shop_is_named() -> None:
    with pytest.raises(TemplateError, match=r"abandoned_cart/push\.de\.txt is missing; write it"):
        render("push", locales=("fr", "de"))


def test_a_variant_changes_what_it_names_and_nothing_else() -> None:
    plain, promise = render(variant="plain"), render(variant="promise")
    assert plain == render()
    assert promise.subject == "You meant to come back for this"
    assert (promise.preheader, promise.text) == (plain.preheader, plain.text)


def test_a_written_text_part_takes_the_place_of_the_derived_one() -> None:
    content = ContentSet.of({**SHIPPED.files, "abandoned_cart/email.en.txt": "Dear {{ first_name }}\n"})
    rendered = Renderer(content).render(sample(content, "abandoned_cart", "email"))
    assert rendered.text == "Dear Uma"
    assert "Finish my order" in rendered.html


@pytest.mark.parametrize("tag", ['<base target="_blank">', "<wbr>"])
def test_an_element_that_has_no_end_hides_nothing_of_the_text_part(tag: str) -> None:
    layout = SHIPPED.files["_layout.html"].replace("<head>", f"<head>{tag}").replace("{{ preheader }}", f"a{tag}b")
    rendered = Renderer(ContentSet.of({**SHIPPED.files, "_layout.html": layout})).render(
        sample(SHIPPED, "abandoned_cart", "email")
    )
    assert rendered.text == render().text


def test_in_the_text_part_a_picture_is_its_words_unless_it_shows_what_stands_beside_it() -> None:
    picture = 'image("https://shop.example/a.png", "We open on Monday.")'
    body = f'{{{{ {picture} }}}}{{{{ text("Come by") }}}}<p>At <a href="https://shop.example/"><img alt="our shop"></a></p>'
    assert say(body, "email").splitlines()[2:7:2] == [
        "We open on Monday.",
        "Come by",
        "At our shop: https://shop.example/",
    ]
    pictured = render(data=basket({**KETTLE, "image_url": "https://shop.example/kettle.jpg"}))
    assert "A picture of Blue kettle" in pictured.html
    assert pictured.text == render(data=basket(KETTLE)).text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<h4>Hello</h4><p>World</p>", "Hello\n\nWorld"),
        ("<div>Hello<p>World</p>again</div>", "Hello\n\nWorld\n\nagain"),
        ("<table><tr><th>Price</th><th>Size</th></tr></table>", "Price Size"),
        ("<dl><dt>Size</dt><dd>Large</dd></dl>", "Size\n\nLarge"),
        ("<p>点击<a href='https://x/'>这里</a>查看。</p>", "点击这里: https://x/ 查看。"),
        (
            "<p><b><a href='https://x/'>Uma</a></b><wbr>'s <a href='https://x/'>list</a>.</p>",
            "Uma: https://x/ 's list: https://x/.",
        ),
        ("<p><a href='https://x/'>One</a><a href='https://y/'>two</a></p>", "One: https://x/ two: https://y/"),
        ("<a href='https://x/'><div>One</div></a><p>two</p>", "One\n\nhttps://x/\n\ntwo"),
    ],
)
def test_in_the_text_part_neither_words_nor_links_run_together(body: str, text: str) -> None:
    assert say(body, "email").split("\n\n", 1)[1].startswith(text + "\n\n")


def test_where_a_logo_stands_for_the_shop_the_text_part_names_it() -> None:
    brand = SHIPPED.files["brand.yaml"] + "\nlogo: https://shop.example/logo.png\n"
    content = ContentSet.of({**SHIPPED.files, "brand.yaml": brand})
    rendered = Renderer(content).render(sample(content, "abandoned_cart", "email"))
    assert "logo.png" in rendered.html
    assert rendered.text == render().text


def test_a_logo_may_be_named_as_the_shop_s_pages_do() -> None:
    brand = SHIPPED.files["brand.yaml"] + "\nlogo: /logo.png\n"
    content = ContentSet.of({**SHIPPED.files, "brand.yaml": brand})
    html = Renderer(content).render(sample(content, "abandoned_cart", "email")).html
    assert 'src="https://shop.example/logo.png"' in html


def test_a_text_part_in_another_language_does_not_go_with_the_letter() -> None:
    content = ContentSet.of({**SHIPPED.files, "abandoned_cart/email.de.txt": "Hallo"})
    rendered = Renderer(content).render(replace(sample(content, "abandoned_cart", "email"), locales=("de", "en")))
    assert "Still thinking it over?" in rendered.text


# --- money, days, counts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "language", "words"),
    [
        ([3990, "EUR"], "en", "€39.90"),
        (Money(3990, "EUR"), "en", "€39.90"),
        ([3990, "EUR"], "de", "39,90\xa0€"),
        ([3990, "JPY"], "en", "¥3,990"),
        ([3990, "KWD"], "en", "KWD3.990"),
        ([9990, "RSD"], "sr", "99,90\xa0RSD"),
        ([9900, "RSD"], "sr", "99\xa0RSD"),
        ([12_345, "IQD"], "en", "IQD12.345"),
        ([2**53, "EUR"], "en", "€90,071,992,547,409.92"),
        ([0, "EUR"], "en", "€0.00"),
        (None, "en", ""),
    ],
)
def test_money_is_written_as_the_language_writes_it(amount: Any, language: str, words: str) -> None:
    assert say("={{ amount|money }}", data={"amount": amount}, language=language) == f"={words}"


def test_days_are_written_in_the_messages_language() -> None:
    monday = 1795438800000
    assert say("{{ day|date }}", data={"day": monday}, language="de") == "Montag 23 November"
    assert say("{{ day|date('d MMM y') }}", data={"day": monday}, language="ru") == "23 нояб. 2026"
    assert say("{{ day|date }}", data={"day": "2026-11-23"}, language="de") == "Montag 23 November"


@pytest.mark.parametrize(
    ("zone", "day"), [("Europe/Madrid", "Tuesday 24 November"), ("America/New_York", "Monday 23 November")]
)
def test_a_moment_that_a_rule_has_worked_out_is_a_day_where_its_reader_is(zone: str, day: str) -> None:
    ends = {"ends": datetime(2026, 11, 23, 23, 30, tzinfo=UTC)}
    content = written("{{ ends|date }}", "welcome/push.en.txt")
    given = sample(content, "welcome", "push", ("en",), data=msgspec.to_builtins(ends))  # as a message carries it
    assert Renderer(content).render(replace(given, zone=zone)).text.strip() == day


@pytest.mark.parametrize(("count", "words"), [(1, "вещь"), (3, "вещи"), (5, "вещей"), (21, "вещь")])
def test_counted_words_follow_the_languages_own_rules(count: int, words: str) -> None:
    body = "{{ n|plural(one='вещь', few='вещи', many='вещей') }}"
    assert say(body, data={"n": count}, language="ru") == words


def test_a_plural_form_that_is_needed_and_missing_is_named() -> None:
    with pytest.raises(TemplateError, match="5 needs the form many="):
        say("{{ 5|plural(one='вещь', few='вещи') }}", language="ru")


# --- what is wrong is named ------------------------------------------------------------------------------------------


def test_a_missing_value_is_named_with_file_line_and_mend() -> None:
    found = complaint("---\nsubject: Hello\n---\n{{ heading('Hi') }}\n{{ text(nowhere) }}\n")
    assert found == "welcome/email.en.html:5: 'nowhere' is undefined; give it in `data`, or a default"


def test_what_a_block_stumbles_over_is_named_where_it_was_given() -> None:
    found = complaint("---\nsubject: Hello\n---\n\n{{ products([{'price': none}]) }}\n")
    assert found.startswith("welcome/email.en.html:5: 'dict object' has no attribute 'title'")


def test_a_missing_value_in_the_subject_is_named_on_the_subjects_line() -> None:
    found = complaint("---\npreheader: Soon\nsubject: 'Hello {{ nowhere }}'\n---\n")
    assert found.startswith("welcome/email.en.html:3: 'nowhere' is undefined")


def test_a_missing_value_in_a_variant_is_named_on_the_variants_line() -> None:
    body = "---\nsubject: Hello\nvariants:\n  mild: {subject: '{{ nowhere }}'}\n---\n"
    assert complaint(body, variant="mild").startswith("welcome/email.en.html:4: 'nowhere' is undefined")


def test_broken_syntax_is_named_with_its_line() -> None:
    assert complaint("---\nsubject: Hello\n---\n\n\n{% for %}").startswith("welcome/email.en.html:6: ")


def test_an_unknown_filter_is_named() -> None:
    assert "No filter named 'shout'" in complaint("{{ 'a'|shout }}")


def test_a_mistake_in_a_sum_is_named() -> None:
    assert complaint("\n{{ 1 / 0 }}").startswith("welcome/email.en.html:2: ZeroDivisionError")


@pytest.mark.parametrize("body", ["Hi", "---\nsubject: '{{ \" \" }}'\n---\nHi"])
def test_a_letter_without_a_subject_is_not_written(body: str) -> None:
    assert re.fullmatch(r"welcome/email\.en\.html:\d: the subject is empty; write one", complaint(body))


@pytest.mark.parametrize(
    "body", ["", " \n", "---\nsubject: ''\n---\n", "{% if data.known|default(false) %}Hi{% endif %}"]
)
def test_a_push_that_says_nothing_is_not_written(body: str) -> None:
    content = written(body, "welcome/push.en.txt")
    with pytest.raises(TemplateError, match=r"welcome/push\.en\.txt:\d: the message is empty; write one"):
        Renderer(content).render(sample(content, "welcome", "push"))


def test_a_webhook_need_say_nothing_since_it_names_the_customer() -> None:
    content = written("", "welcome/webhook.en.txt")
    assert Renderer(content).render(sample(content, "welcome", "webhook")).text == ""


def test_a_language_that_is_none_is_named_with_the_file() -> None:
    content = written("---\nsubject: Hello\n---\n", "welcome/email.ua.html")
    with pytest.raises(TemplateError, match=r"welcome/email\.ua\.html:1: ua is no language .* uk for Ukrainian"):
        Renderer(content).render(sample(content, "welcome", "email", ("ua",)))


def test_a_style_that_is_none_is_named_with_the_file() -> None:
    found = complaint("---\nsubject: Hello\n---\n<style>p{color: red}</style><p style='}:'>Hi</p>")
    assert found.startswith("welcome/email.en.html:1: End of input; mend its style")


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("button('Go', nowhere)", "Go"),
        ("note(nowhere)", "None"),
        ("offer('Yours:', nowhere)", "Yours"),
        ("question('Why?', nowhere)", "Why?"),
        ("survey('How was it?', nowhere)", "How was it?"),
        ("image(nowhere, 'A kettle')", "A kettle"),
    ],
)
def test_an_optional_block_without_data_disappears(block: str, words: str) -> None:
    text = say(f"{{{{ heading('Hi') }}}}{{{{ {block} }}}}", "email")
    assert "Hi" in text
    assert words not in text


def test_every_block_with_data_is_there() -> None:
    body = """{{ heading("One") }}{{ text("Two") }}{{ note("Three") }}{{ divider() }}
    {{ offer("Code", "AB12", 1795438800000) }}{{ image("https://shop.example/a.png", "A kettle") }}
    {{ question("Why?", [{"words": "Too dear", "url": "https://shop.example/a"}]) }}
    {{ survey("How was it?", "https://shop.example/s") }}"""
    text = say(body, "email")
    for words in ("One", "Two", "Three", "Code AB12, until Monday 23 November", "Too dear: https://", "Answer in a"):
        assert words in text


def test_a_picture_has_room_in_the_letter_also_where_a_program_knows_no_widest() -> None:
    content = written("---\nsubject: Hello\n---\n{{ image('https://shop.example/a.png', 'A kettle') }}")
    html = Renderer(content).render(sample(content, "welcome", "email")).html
    picture, margin = re.search(r'alt="A kettle"[^>]* width="(\d+)"', html), re.search(r"padding: 12px (\d+)px", html)
    assert picture is not None
    assert margin is not None
    assert int(picture[1]) == 600 - 2 * int(margin[1]) - 2, (
        "Outlook makes a letter as wide as its pictures; it has 600 px"
    )


# --- hostile data ----------------------------------------------------------------------------------------------------


def test_what_looks_like_html_in_a_title_stays_words() -> None:
    rendered = render(data=basket({**KETTLE, "title": "<script>alert(1)</script> & co"}))
    assert "<script>" not in rendered.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in rendered.html
    assert "<script>alert(1)</script> & co" in rendered.text
    assert rendered.subject == "Uma, your <script>alert(1)</script> & co is still here"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Uma\r\nBcc: all", "Uma Bcc: all"),
        ("Uma\tX", "Uma X"),
        ("M.Carmen", "M.Carmen"),
        ("U\nma", "U ma"),
        ("U\x00ma", "U ma"),
        ("U\u2028ma", "U ma"),
        ("U \x85 ma", "U ma"),
        ("Uma\n", "Uma"),
        ("Uma\xa0B", "Uma\xa0B"),
    ],
)
def test_a_line_end_or_control_character_in_a_name_is_a_space_in_the_subject(name: str, shown: str) -> None:
    assert render(first_name=name).subject == f"{shown}, your Blue kettle is still here"


@pytest.mark.parametrize("name", [" ", "\t", "\xa0", "\n \n"])
def test_a_first_name_of_blanks_is_none(name: str) -> None:
    assert render(first_name=name).subject == "Your Blue kettle is still here"


@pytest.mark.parametrize(
    "name",
    ["U" * 41, "Win at https://evil.example now", "Win at evil.example", "uma@example.test", "\u200b", "---"],
)
def test_who_has_written_something_else_for_a_first_name_is_not_called_by_it(name: str) -> None:
    assert render(first_name=name).subject == "Your Blue kettle is still here"


def test_a_thing_whose_name_has_two_lines_does_not_hold_the_letter() -> None:
    assert render(data=basket({**KETTLE, "title": "Kettle\n1.5 l"})).subject == "Uma, your Kettle 1.5 l is still here"


def test_a_text_message_is_no_complaint_also_where_the_number_is_not_known_any_more() -> None:
    told = sample(SHIPPED, "tell_desk", "desk").data | {"again": False, "ticket": "", "about": ""}
    rendered = SHIPPED_RENDERER.render(sample(SHIPPED, "tell_desk", "desk", data=told))
    assert rendered.subject == "A text message from u1"
    assert "complaint" not in rendered.text


def test_the_desk_reads_every_answer_that_a_person_is_told_of_in_its_own_language() -> None:
    for answer in (reason.replace("_", " ") for reason in REASONS if reason not in HURTS):
        told = sample(SHIPPED, "tell_desk", "desk").data | {"again": False, "ticket": "", "about": "", "answer": answer}
        rendered = SHIPPED_RENDERER.render(sample(SHIPPED, "tell_desk", "desk", ("ru",), data=told))
        assert re.fullmatch(r"Ответ: [а-яё, ]+", rendered.subject)
        assert f"\n{rendered.subject}\n" in rendered.text


def test_a_complaint_of_two_lines_reaches_the_desk() -> None:
    told = sample(SHIPPED, "tell_desk", "desk").data | {"again": False, "about": "It leaks.\r\nNobody answers."}
    subject = SHIPPED_RENDERER.render(sample(SHIPPED, "tell_desk", "desk", data=told)).subject
    assert subject == "A complaint: It leaks. Nobody answers."


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_whatever_a_title_holds_the_subject_is_one_line(title: str) -> None:
    assert len(render(data=basket({**KETTLE, "title": title})).subject.splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://[",
        "//[",
        "shop.example/p1",
        "ftp://a.b/",
        "https://evil.example\\.shop.example/x.jpg",
        "https://evil.example\t.shop.example/x.jpg",
        "https://evil.example .shop.example/x.jpg",
        "https://evil.example\x00.shop.example/x.jpg",
        "https://evil.example\u3000.shop.example/x.jpg",
    ],
)
def test_an_address_that_no_message_should_lead_to_is_left_out(url: str) -> None:
    rendered = render(data=basket({**KETTLE, "url": url, "image_url": url}))
    assert url not in rendered.html
    assert rendered.links == ("https://shop.example/cart",)
    assert "Blue kettle" in rendered.html


def test_blanks_around_an_address_are_none_of_it() -> None:
    rendered = render(data=basket({**KETTLE, "url": " https://shop.example/p1\n"}))
    assert rendered.links[0] == "https://shop.example/p1"


def test_an_address_as_the_shop_s_pages_hold_it_is_one_of_the_shop() -> None:
    rendered = render(data=basket({**KETTLE, "url": "/p1?a=b", "image_url": "//cdn.example/kettle.jpg"}))
    assert rendered.links[0] == "https://shop.example/p1?a=b"
    assert 'src="https://cdn.example/kettle.jpg"' in rendered.html


@pytest.mark.parametrize("domains", ["[]", "[shop.example]"])
def test_a_link_that_a_template_writes_by_hand_leads_nowhere_that_a_block_would_not(domains: str) -> None:
    brand = SHIPPED.files["brand.yaml"].replace("domains: []", f"domains: {domains}")
    body = """---
subject: Hello
---
<p><a href="{{ data.url }}">one</a> <img src='{{ data.url }}' alt=two> <a href="mailto:tea@shop.example">write</a>
<a href="https://social.example/tea?{{ data.id }}">us</a> <a href="{{ links.cart }}">cart</a> <a href="{{ tracked(shop.url) }}">shop</a></p>"""
    content = written(body, **{"brand.yaml": brand})

    def leads(url: str) -> list[str]:
        given = sample(content, "welcome", "email", data={"url": url, "id": "7"})
        html = Renderer(content).render(given).html.partition("<p>")[2].partition("</p>")[0]
        return re.findall(r'(?:href|src)="([^"]*)"', html)

    own = ["mailto:tea@shop.example", "https://social.example/tea?7", "https://shop.example/cart"]
    assert leads("https://shop.example/p1?a=1&b=2")[:5] == ["https://shop.example/p1?a=1&amp;b=2"] * 2 + own
    for wrong in (
        "javascript:alert(1)",
        "javascript://social.example/%0aalert(1)",
        "data:text/html,x",
        "https://evil.example\\@shop.example/",
        "https://evil.example\\@social.example/",
    ):
        assert leads(wrong)[:5] == ["", "", *own]
    assert leads("https://social.example/a b")[:2] == ["https://social.example/a b"] * 2
    elsewhere = "https://elsewhere.example/p1"
    assert leads(elsewhere)[:2] == [elsewhere if domains == "[]" else ""] * 2


def test_a_name_from_right_to_left_keeps_its_direction_in_a_letter_of_the_other() -> None:
    html = render(data=basket({**KETTLE, "title": "إبريق أزرق (2 لتر)"}, {"title": "כד"})).html
    assert html.count('dir="auto"') == 2


def test_links_and_pictures_lead_only_to_the_shops_domains_once_they_are_named() -> None:
    brand = SHIPPED.files["brand.yaml"].replace("domains: []", "domains: [cdn.example]")
    content = ContentSet.of({**SHIPPED.files, "brand.yaml": brand})
    items = [
        {**KETTLE, "url": "//evil.example/login", "image_url": "https://notcdn.example/a.png"},
        {**KETTLE, "url": "https://shop.example/p", "image_url": "https://a.cdn.example/b.png"},
    ]
    rendered = Renderer(content).render(sample(content, "abandoned_cart", "email", data=basket(*items)))
    assert rendered.links == ("https://shop.example/p", "https://shop.example/cart")
    assert "a.cdn.example" in rendered.html
    assert "notcdn" not in rendered.html


@pytest.mark.parametrize("named", ["bücher.example", "xn--bcher-kva.example"])
@pytest.mark.parametrize("url", ["https://www.bücher.example/ä?q=ü#f", "https://www.xn--bcher-kva.example/p"])
def test_a_domain_in_another_script_is_the_same_domain(named: str, url: str) -> None:
    brand = SHIPPED.files["brand.yaml"].replace("domains: []", f"domains: [{named}]")
    content = ContentSet.of({**SHIPPED.files, "brand.yaml": brand})
    rendered = Renderer(content).render(sample(content, "abandoned_cart", "email", data=basket({**KETTLE, "url": url})))
    assert rendered.links[0] == url


@pytest.mark.parametrize(
    "escape",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ first_name.__init__.__globals__ }}",
        "{{ (heading|attr('__call__')).__globals__ }}",
        "{{ heading.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ ''|attr('__class__')|attr('__mro__') }}",
        "{{ '{0.__class__.__mro__}'.format(first_name) }}",
        "{{ data.update({'a': 1}) }}",
        "{% set _ = links.clear() %}",
        "{{ tracked.__self__.rendering }}",
        "{{ tracked.__func__.__globals__ }}",
        "{% include '../../etc/passwd' %}",
        "{% import 'os' as os %}{{ os.system }}",
    ],
)
def test_a_template_cannot_reach_out_of_its_sandbox(escape: str) -> None:
    assert complaint("{{ heading('Hi') }}" + escape).startswith("welcome/email.en.html:1: ")


def test_a_message_of_absurd_length_is_refused() -> None:
    assert "longer than" in complaint("{% for a in range(60000) %}0123456789{% endfor %}")


def test_the_same_rendering_gives_the_same_message() -> None:
    assert render() == render()


# --- tracking --------------------------------------------------------------------------------------------------------


def test_marked_links_lead_through_us_and_ways_out_do_not() -> None:
    rendered = render()
    assert rendered.links == ("https://shop.example/p1", "https://shop.example/cart")
    tracked = track(rendered, lambda n: f"https://t.example/c/{n}?a=1&b=2", None)
    assert "https://t.example/c/0?a=1&amp;b=2" in tracked.html
    assert "Finish my order: https://t.example/c/1?a=1&b=2" in tracked.text
    assert 'href="https://shop.example/unsubscribe"' in tracked.html
    assert "click.invalid" not in tracked.html + tracked.text


def test_the_open_pixel_is_the_last_thing_of_the_letter_and_says_nothing() -> None:
    tracked = track(render(), str, "https://t.example/o/x")
    assert tracked.html.endswith(
        '<img src="https://t.example/o/x" width="1" height="1" alt="" style="display:none"></body></html>'
    )


def test_a_push_has_no_pixel() -> None:
    assert track(render("push"), str, "https://t.example/o/x").html == ""


def test_what_only_looks_like_a_placeholder_is_no_link_of_ours() -> None:
    rendered = render(data=basket({**KETTLE, "title": "https://click.invalid/7"}))
    tracked = track(rendered, lambda n: f"https://t.example/{rendered.links[n]}", None)
    assert "https://click.invalid/7" in tracked.text
