"""Names that are almost right are told to whoever wrote them, and to nobody who meant them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tactful.plugins import Loaded, load_plugins
from tactful_dispatch.content.contentset import ContentSet
from tactful_trigger.projections import SHIPPED
from tactful_workbench.commands.rules import app as rules_command
from tactful_workbench.commands.templates import app as templates_command
from tactful_workbench.doctor.almost import slips
from tactful_workbench.doctor.findings import examine
from tactful_workbench.doctor.unsent import unsent, unwritten
from tactful_workbench.embedded.banner import dev_banner
from tactful_workbench.embedded.product import Plan, opened

THANKS = """\
from tactful import Run, rule

@rule(on={on!r}, goal={goal!r}, purpose="marketing.thanks", version=1)
async def thanks(run: Run, first: object) -> None:
    await run.wait_for({awaited!r}, within="2d")
    await run.send("email", {template!r})
"""


class NoWorld:
    """Implements `tactful_workbench.doctor.findings.Web`."""

    async def texts(self, name: str) -> Sequence[str]:
        raise OSError("no network")

    async def is_ours(self, url: str) -> bool:
        raise OSError("no network")


def shop(folder: Path, *templates: str, **names: str) -> tuple[Loaded, ContentSet]:
    """One rule of its own, and templates."""
    given = {"on": "Seat Taken", "goal": "Seat Paid", "awaited": "Seat Left", "template": "thanks"} | names
    (folder / "rules").mkdir()
    (folder / "rules" / "thanks.py").write_text(THANKS.format(**given))
    for template in templates or ("thanks",):
        (folder / "templates" / template).mkdir(parents=True)
        (folder / "templates" / template / "email.en.html").write_text("---\nsubject: Thanks\n---\n{{ text('Hi') }}")
    loaded = load_plugins(folder / "rules").beside(SHIPPED)
    assert not loaded.broken
    return loaded, ContentSet.load(folder / "templates")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Order Complete", "Order Completed"),
        ("order completed", "Order Completed"),
        ("OrderCompleted", "Order Completed"),
        ("Shipment Delivery", "Shipment Delivered"),
        ("Complaint Open", "Complaint Opened"),
        ("Product Back in Stock", "Product Back In Stock"),
    ],
)
@pytest.mark.parametrize("where", ["on", "goal", "awaited"])
def test_an_event_that_is_almost_one_of_ours_is_told_with_file_and_line(
    tmp_path: Path, where: str, name: str, meant: str
) -> None:
    loaded, _ = shop(tmp_path, **{where: name})
    (said,) = slips(loaded)
    line = 5 if where == "awaited" else 3
    assert said.startswith(f"{tmp_path / 'rules' / 'thanks.py'}:{line}: `{'wait_for' if line == 5 else where}`")
    assert f'names "{name}", an event of your own; if you mean "{meant}", correct it' in said


@pytest.mark.parametrize(
    "name",
    ["Order Completed", "Completed Order", "Order Confirmed", "Product Liked", "Checkout Completed", "Order Shipped"],
)
def test_an_event_of_ours_and_one_of_the_shops_own_are_left_alone(tmp_path: Path, name: str) -> None:
    loaded, _ = shop(tmp_path, on=name)
    assert slips(loaded) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('await run.quit("1h")', "run.quit is nothing that a run can do; perhaps run.quiet"),
        ('await run.send("mail", "thanks")', "mail is no channel; there are: email, sms, push"),
        ('await run.get("orders")', "run.get('orders') needs the projection in `uses` of the rule"),
        ('await run.sleep("1 hour")', '"1 hour" is not a length of time; write it like'),
        ('await run.wait_for("Seat Left", within="2 days")', '"2 days" is not a length of time'),
        ('await run.send("email", "thanks", expires="soon")', '"soon" is not a length of time'),
        ('await run.get("cart")', ""),
        ('await run.sleep("1h")', ""),
        ('await run.send("email", "thanks", not_before="1d 12h", expires=None)', ""),
        ('run.note("so")', ""),
        (
            "run.note(str(datetime.now()))",
            "datetime.now tells another time whenever the run is replayed; its own is run",
        ),
        ("run.note(str(run.now.date()))", ""),
    ],
)
def test_what_a_run_cannot_do_is_told_before_somebody_comes_to_it(tmp_path: Path, line: str, said: str) -> None:
    text = THANKS.format(on="Seat Taken", goal="Seat Paid", awaited="Seat Left", template="thanks")
    text = text.replace("version=1", 'version=1, uses="cart"') + f"    {line}\n"
    (tmp_path / "thanks.py").write_text(text)
    found = slips(load_plugins(tmp_path).beside(SHIPPED))
    assert len(found) == bool(said)
    assert "".join(found).startswith(f"{tmp_path / 'thanks.py'}:7: {said}" if said else "")


def test_what_ships_and_a_shop_without_slips_have_nothing_to_be_told(tmp_path: Path) -> None:
    loaded, content = shop(tmp_path, "thanks", "abandoned_cart")
    assert (unsent(loaded, content), unwritten(loaded, content), slips(loaded)) == ([], [], [])


def test_a_template_that_no_rule_sends_is_told_with_the_name_that_may_be_meant(tmp_path: Path) -> None:
    loaded, content = shop(tmp_path, "thanks", "abandonned_cart", "leaflet")
    assert unsent(loaded, content) == [
        (
            "abandonned_cart/email.en.html",
            "no rule that is loaded sends abandonned_cart, so nobody gets it; if you mean abandoned_cart, call the folder so",
        ),
        ("leaflet/email.en.html", "no rule that is loaded sends leaflet, so nobody gets it"),
    ]


def test_where_words_are_linted_without_the_rules_that_send_them_only_what_is_almost_one_of_ours_is_told(
    tmp_path: Path,
) -> None:
    shop(tmp_path, "abandonned_cart", "leaflet")
    linted = CliRunner().invoke(templates_command, ["lint", "--templates", str(tmp_path / "templates")])
    assert ("sends abandonned_cart" in linted.output, "sends leaflet" in linted.output) == (True, False)


def test_a_message_without_a_template_is_told_with_the_line_that_sends_it(tmp_path: Path) -> None:
    loaded, content = shop(tmp_path, template="thank_you")
    rule = tmp_path / "rules" / "thanks.py"
    assert unwritten(loaded, content) == [
        f"{rule}:6: thank_you is sent by email, and thank_you/email.en.html is missing"
    ]


async def test_start_and_doctor_tell_both(tmp_path: Path) -> None:
    shop(tmp_path, "thnks", on="Order Complete")
    async with opened(
        Plan(tmp_path / "data", dev=True, rules=tmp_path / "rules", templates=tmp_path / "templates")
    ) as product:
        banner = dev_banner(product, "http://127.0.0.1:8080")
        doctor = "\n".join(finding.text for finding in await examine(product, NoWorld()) if finding.level == "warn")
    for told in (banner, doctor):
        assert 'if you mean "Order Completed"' in told
        assert "if you mean thanks, call the folder so" in told
        assert "thanks/email.en.html is missing" in told


def test_lint_and_check_tell_each_its_own(tmp_path: Path) -> None:
    shop(tmp_path, "thnks", on="Order Complete")
    rules = ["--rules", str(tmp_path / "rules")]
    linted = CliRunner().invoke(templates_command, ["lint", "--templates", str(tmp_path / "templates"), *rules])
    assert (linted.exit_code, "thnks/email.en.html:1: name: no rule" in linted.output) == (1, True)
    checked = CliRunner().invoke(rules_command, ["check", *rules])
    assert (checked.exit_code, 'if you mean "Order Completed"' in checked.output) == (0, True)
