"""A sender's export knows addresses, and the shop's own whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tactful.errors import TactfulError
from tactful_workbench.files.ids import ids_in, with_ids
from tactful_workbench.files.imports import Row


def customers(folder: Path) -> str:
    file = folder / "customers.csv"
    file.write_text(
        "Customer ID,Email,Phone\n'1000,Uma@A.example,'+34 600 111 222\n1001,uma@a.example,\n1002,,\n1000,uma@a.example,\n"
    )
    return str(file)


def test_an_address_is_that_of_every_customer_who_has_it_and_whose_it_is_not_known_is_left_out(tmp_path: Path) -> None:
    ids, strangers = ids_in(f"{customers(tmp_path)}:Email=Customer ID"), set[int]()
    rows = [Row(2, {"mail": " UMA@a.example", "at": "x"}), Row(3, {"mail": "ivo@b.example"}), Row(4, {"mail": None})]
    found = list(with_ids(rows, "mail", ids, strangers))
    assert [(row.line, row.cells["userId"], row.cells["at"]) for row in found] == [(2, "1000", "x"), (2, "1001", "x")]
    assert strangers == {3, 4}


def test_a_number_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    ids = ids_in(f"{customers(tmp_path)}:Phone=Customer ID")
    [row] = with_ids([Row(2, {"number": "+34600111222"})], "number", ids, set())
    assert row.cells["userId"] == "1000"


@pytest.mark.parametrize("told", ["customers.csv", "customers.csv:Email", ":Email=ID", "customers.csv:Email="])
def test_what_names_no_columns_is_refused_with_an_example(told: str) -> None:
    with pytest.raises(TactfulError, match=r'write it like "customers\.csv:Email=Customer ID"'):
        ids_in(told)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        TactfulError, match=r"customers\.csv:2: there is no column Mail; there are: Customer ID, Email, Phone"
    ):
        ids_in(f"{customers(tmp_path)}:Mail=Customer ID")
