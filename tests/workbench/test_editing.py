"""Settings that a command changes: what people wrote around them stays as it is."""

from __future__ import annotations

import tomllib

import pytest

from tactful.errors import SettingsError
from tactful_workbench.settings.editing import with_values

FILE = """\
# ours
[shop]
name = "My shop"  # as on the sign

[rules.abandoned_cart]
mode = "shadow"        # the next step is `live`
delay = "2h"

[rules.churn_risk] # later
mode = "shadow"

[sending]
mode = "allowlist"
"""


def test_a_value_is_changed_and_its_comment_stays() -> None:
    changed = with_values(FILE, "rules.abandoned_cart", {"mode": "live"})
    assert changed == FILE.replace('mode = "shadow"        #', 'mode = "live"        #')


def test_a_value_that_the_section_lacks_is_added_at_its_end() -> None:
    changed = with_values(FILE, "rules.abandoned_cart", {"mode": "live", "rollout": 0.05})
    assert 'delay = "2h"\nrollout = 0.05\n\n[rules.churn_risk]' in changed


@pytest.mark.parametrize("section", ["shop", "rules.abandoned_cart", "rules.churn_risk", "sending", "rules.new"])
def test_whatever_the_section_the_rest_says_what_it_said(section: str) -> None:
    values = {"mode": "live", "rollout": 0.5, "allow": ["*@a.example", 'q"uote']}
    before, after = tomllib.loads(FILE), tomllib.loads(with_values(FILE, section, values))
    place_before, place_after = before, after
    for name in section.split("."):
        place_before, place_after = place_before.setdefault(name, {}), place_after[name]
    assert place_after == place_before | values
    place_before |= values
    assert after == before


def test_changing_twice_is_changing_once() -> None:
    once = with_values(FILE, "rules.new", {"mode": "live"})
    assert with_values(once, "rules.new", {"mode": "live"}) == once


def test_an_empty_file_gets_the_section() -> None:
    assert tomllib.loads(with_values("", "sending", {"mode": "live"})) == {"sending": {"mode": "live"}}


LIST = """\
[shop]
postal_address = \"\"\"
[sending]
mode = "live"
\"\"\"

[sending]
allow = [
    "*@a.example",  # us
    "b@b.example",
]  # for example ["*@myshop.example"]
mode = "allowlist"
"""


def test_a_list_of_many_lines_is_replaced_whole_and_a_text_that_looks_like_a_section_is_none() -> None:
    changed = with_values(LIST, "sending", {"allow": ["z@z.example"]})
    assert changed == LIST[: LIST.index("allow")] + (
        'allow = ["z@z.example"]  # for example ["*@myshop.example"]\nmode = "allowlist"\n'
    )


@pytest.mark.parametrize("header", ['[rules."cart"]', "[ rules . cart ]", "['rules'.cart]  # [sending]"])
def test_a_section_is_known_however_its_name_is_written(header: str) -> None:
    changed = with_values(f'{header}\n"mode" = "shadow"\n', "rules.cart", {"mode": "live"})
    assert changed == f'{header}\nmode = "live"\n'


@pytest.mark.parametrize("text", ['[rules]\ncart = {mode = "shadow"}\n', 'rules.cart.mode = "shadow"\n'])
def test_a_section_without_a_header_is_left_to_people_who_are_told_what_to_write(text: str) -> None:
    with pytest.raises(SettingsError, match=r'\[rules\.cart\] .* write there mode = "live", rollout = 0\.05'):
        with_values(text, "rules.cart", {"mode": "live", "rollout": 0.05})


def test_what_is_no_toml_stays_for_whoever_reads_it_to_name() -> None:
    assert with_values("[shop]\nname = Tea\n", "sending", {"mode": "live"}) == "[shop]\nname = Tea\n"
