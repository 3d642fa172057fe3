"""Settings of a shop: every value has a default, and what is wrong is named with its line."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest

from tactful.errors import SettingsError
from tactful.settings import Settings, parse, settings_from_log

GOOD = """
[shop]
name = "Tea"
timezone = "Europe/Lisbon"

[rules.abandoned_cart]
mode = "live"
delay = "2h"
variants = ["plain", "short"]

[caps.weekly]
new = 2

[sending]
mode = "allowlist"
allow = ["*@tea.example"]
"""


def refused(text: str) -> str:
    with pytest.raises(SettingsError) as error:
        parse(text, "settings.toml")
    return str(error.value)


def test_an_empty_file_is_a_shop_that_writes_to_nobody() -> None:
    settings = parse("", "settings.toml")
    assert settings == Settings()
    assert (settings.sending.mode, settings.sending.allow) == ("allowlist", ())
    assert settings.rule("abandoned_cart").mode == "shadow"


def test_what_is_set_is_set_and_the_rest_keeps_its_default() -> None:
    settings = parse(GOOD, "settings.toml")
    assert (settings.shop.name, settings.shop.zone) == ("Tea", ZoneInfo("Europe/Lisbon"))
    assert (settings.caps.weekly.new, settings.caps.weekly.loyal) == (2, 3)
    assert settings.sending.allow == ("*@tea.example",)


def test_a_value_that_is_written_as_its_setting_asks_is_taken() -> None:
    said = {
        "shop": {"country": "PT", "currency": "USD", "public_url": "https://hello.tea.example"},
        "webhook": {"url": "https://hooks.tea.example/tactful"},
    }
    text = "\n".join(f"[{name}]\n" + "\n".join(f'{k} = "{v}"' for k, v in each.items()) for name, each in said.items())
    assert parse(text, "settings.toml").model_dump(exclude_unset=True) == said
    assert parse('[webhook]\nurl = ""', "settings.toml").webhook.url == ""


def test_a_rules_mode_stands_apart_from_what_the_rule_itself_asks_for() -> None:
    rule = parse(GOOD, "settings.toml").rule("abandoned_cart")
    assert (rule.mode, rule.parameters) == ("live", {"delay": "2h", "variants": ["plain", "short"]})


def test_settings_travel_as_json_and_come_back_the_same() -> None:
    settings = parse(GOOD, "settings.toml")
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_a_file_that_is_no_toml_is_named_with_the_place() -> None:
    said = refused("[shop]\nname = Tea\n")
    assert said.startswith("settings.toml: ")
    assert "line 2" in said
    assert "nothing was changed" in said


def test_a_number_of_thousands_of_digits_is_refused_like_any_other_slip() -> None:
    assert "nothing was changed" in refused(f"[caps]\nsilent_after = {'9' * 5000}\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[shop]\nname = "Tea"\ntimezone = "Madrid"', "settings.toml:3: shop.timezone: "),
        ('[shop]\nnmae = "Tea"', "settings.toml:2: shop.nmae is not a setting; remove it or correct its spelling"),
        ('\n[shopp]\nname = "Tea"', "settings.toml:2: shopp is not a setting"),
        ('[rules.cart]\n\nmode = "on"', "settings.toml:3: rules.cart.mode: "),
        ('[caps]\nemail_gap = "16 hours"', "settings.toml:2: caps.email_gap: "),
        ("[caps.weekly]\nnew = -1", "settings.toml:2: caps.weekly.new: "),
        ('[hours]\nmarketing = "9-21"', "settings.toml:2: hours.marketing: "),
        ('[hours]\nmarketing = "25:00-26:00"', "settings.toml:2: hours.marketing: "),
        ('[hours]\nmarketing = "09:00-24:30"', "settings.toml:2: hours.marketing: "),
        ("[guard]\nopt_outs = 0.5", "settings.toml:2: guard.opt_outs: "),
        ("[guard]\nspam_reports = 0.1", "settings.toml:2: guard.spam_reports: "),
        ('[sending]\nmode = "yes"', "settings.toml:2: sending.mode: "),
        ('[shop]\nsender = "My shop"', "settings.toml:2: shop.sender: "),
        ('[shop]\nsender = ""', "settings.toml:2: shop.sender: "),
        ('[shop]\nname = "Tea"\nreply_to = "nobody"', "settings.toml:3: shop.reply_to: "),
        ('[shop]\nbounce_address = "bounces"', "settings.toml:2: shop.bounce_address: "),
        ('[shop]\nbounce_address = "Tea <bounces@tea.example>"', "settings.toml:2: shop.bounce_address: "),
        (f'[shop]\nbounce_address = "{"b" * 60}@tea.example"', "settings.toml:2: shop.bounce_address: "),
        ('[shop]\npublic_url = "hello.shop.example"', "settings.toml:2: shop.public_url: "),
        ('[shop]\npublic_url = "https://hello.shop.example/?a=1"', "settings.toml:2: shop.public_url: "),
        ('[shop]\ncountry = "Spain"', "settings.toml:2: shop.country: "),
        ('[shop]\nlocale = ""', "settings.toml:2: shop.locale: "),
        ('[shop]\nlocale = "Spanish"', "settings.toml:2: shop.locale: "),
        ('[shop]\ncurrency = "euro"', "settings.toml:2: shop.currency: "),
        ("[guard]\nvolume = inf", "settings.toml:2: guard.volume: inf and nan"),
        (
            '[rules.cart]\nmax_age = "9999999d"',
            'settings.toml:2: rules.cart.max_age: "9999999d" is longer than 1000000d',
        ),
        ('[history]\nretention = "99999999w"', "settings.toml:2: history.retention: "),
        ("[caps]\naway_days = 9999999", 'settings.toml:2: caps.away_days: "9999999" days are longer than 1000000d'),
        ('[shop]\nname = "Tea"\n[sources.crm]\n[hours]', "settings.toml:3: sources.crm.lag: "),
        ("[rules.cart]\nfactor = nan", "settings.toml:2: rules.cart.factor: inf and nan"),
        ("[rules.cart]\nsteps = [1.0, inf]", "settings.toml:2: rules.cart.steps: inf and nan"),
    ],
)
def test_a_wrong_value_is_named_with_file_and_line(text: str, place: str) -> None:
    assert refused(text).startswith(place)


def test_who_writes_may_have_a_name_in_any_script_and_reports_need_go_nowhere() -> None:
    text = '[shop]\nsender = "Лавка <hello@shop.example>"\nreply_to = "tea@shop.example"\nbounce_address = ""'
    assert parse(text, "settings.toml").shop.sender == "Лавка <hello@shop.example>"
    assert parse('[shop]\nbounce_address = "bounces@tea.example"', "settings.toml").shop.bounce_address


@pytest.mark.parametrize(
    ("url", "links"),
    [
        ("https://привет.рф", "https://xn--b1agh1afp.xn--p1ai"),
        ("https://привет.рф:8443/лавка", "https://xn--b1agh1afp.xn--p1ai:8443/%D0%BB%D0%B0%D0%B2%D0%BA%D0%B0"),
        ("https://hello.tea.example/a%20b", "https://hello.tea.example/a%20b"),
    ],
)
def test_links_may_lead_to_a_host_in_any_script_and_headers_of_mail_carry_them(url: str, links: str) -> None:
    assert parse(f'[shop]\npublic_url = "{url}"', "settings.toml").shop.public_url == links
    assert settings_from_log(json.dumps({"shop": {"public_url": url}})).shop.public_url == links


def test_what_an_older_program_has_told_stops_nobody_who_reads_it() -> None:
    said = {
        "shop": {"sender": "My shop", "reply_to": "", "public_url": "hello", "country": "Spain", "currency": "euro"}
    }
    assert settings_from_log(json.dumps(said)).shop.country == "Spain"
    assert settings_from_log('{"hours": {"marketing": "09:00-24:30"}}').hours.marketing == "09:00-24:30"
    assert settings_from_log('{"shop": {"cart_url": "https:///basket"}}').shop.cart_url == "https:///basket"


def test_a_length_may_be_as_good_as_for_ever_and_one_that_was_told_before_stands() -> None:
    assert parse('[history]\nretention = "1000000d"', "settings.toml").history.retention == "1000000d"
    assert settings_from_log('{"history": {"retention": "9999999d"}}').history.retention == "9999999d"
    assert parse("[caps]\naway_days = 1000000", "settings.toml").caps.away_days == 1_000_000
    assert settings_from_log('{"caps": {"away_days": 9999999}}').caps.away_days == 9_999_999


def test_the_line_is_that_of_the_right_section() -> None:
    text = '[shop]\nname = "mode"\n[rules.one]\nmode = "live"\n[rules.two]\nmode = "on"\n'
    assert refused(text).startswith("settings.toml:6: rules.two.mode: ")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    said = refused('[shop]\ntimezone = "Madrid"\n[sending]\nmode = "yes"\n')
    assert "settings.toml:2: " in said
    assert "settings.toml:4: " in said


def test_a_length_and_a_zone_say_how_they_are_written() -> None:
    said = refused('[shop]\ntimezone = "Madrid"\n[caps]\nsms_gap = "soon"\n')
    assert '"Europe/Madrid"' in said
    assert 'write it like "90s", "1h" or "3d"' in said


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[caps.weekly]\nnew = 3\nloyal = 2", "caps.weekly"),
        ("[caps]\nsms_per_30_days = 0\n[rules.abandoned_cart]\nsms = true", "rules.abandoned_cart"),
        ("[webhook]\nurl = 'http://hooks.shop.example'", "webhook.url"),
        ("[webhook]\nurl = 'https://hooks.shop.example:9443/x'", "webhook.url"),
        ("[webhook]\nurl = 'https://user:pw@hooks.shop.example/x'", "webhook.url"),
        ("[webhook]\nurl = 'https://127.0.0.1/x'", "webhook.url"),
        ("[webhook]\nurl = 'https://[::1/x'", "webhook.url"),
        ("[sources.pos]\nlag = 'soon'", "sources.pos.lag"),
    ],
)
def test_settings_that_contradict_themselves_are_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        parse(text, "settings.toml")


@pytest.mark.parametrize(
    "text",
    [
        "[caps.weekly]\nnew = 3",  # more than a repeat customer's two, which nobody has written
        "[caps.weekly]\nnew = 2\nrepeat = 2",
        "[caps]\nsms_per_30_days = 0\n[rules.abandoned_cart]\nsms = false\n[rules.winback]\nmode = 'live'",
        "[rules.abandoned_cart]\nsms = true",
    ],
)
def test_what_only_looks_like_a_contradiction_is_taken(text: str) -> None:
    parse(text, "settings.toml")


def test_a_guard_may_be_off_and_what_an_older_program_has_told_of_it_stands() -> None:
    assert parse("[guard]\nopt_outs = 1", "settings.toml").guard.opt_outs == 1
    assert settings_from_log('{"guard": {"opt_outs": 0.5}}').guard.opt_outs == 0.5
