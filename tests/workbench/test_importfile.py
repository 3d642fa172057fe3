"""Files as people export them: spreadsheets with semicolons and marks at the beginning, and what is wrong with them by line."""

from __future__ import annotations

import gzip
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tactful.errors import TactfulError
from tactful_workbench.importfile import Row, call_of, rows_of, together

MADRID = ZoneInfo("Europe/Madrid")


def written(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    "content",
    [
        b"id,mail\n1,a@b.example\n2,c@d.example\n",
        b"id;mail\r\n1;a@b.example\r\n2;c@d.example\r\n",
        b"id\tmail\n1\ta@b.example\n2\tc@d.example",
        "\ufeffid;mail\n1;a@b.example\n2;c@d.example\n".encode(),
    ],
)
def test_a_table_is_read_whatever_stands_between_its_cells(tmp_path: Path, content: bytes) -> None:
    wanted = [Row(2, {"id": "1", "mail": "a@b.example"}), Row(3, {"id": "2", "mail": "c@d.example"})]
    assert list(rows_of(written(tmp_path, "people.csv", content))) == wanted
    assert list(rows_of(written(tmp_path, "people.csv.gz", gzip.compress(content)))) == wanted


def test_a_cell_may_hold_what_stands_between_cells_and_lines(tmp_path: Path) -> None:
    file = written(tmp_path, "notes.csv", b'id,note\n1,"a, b\nand c"\n2,short\n')
    assert list(rows_of(file)) == [Row(3, {"id": "1", "note": "a, b\nand c"}), Row(4, {"id": "2", "note": "short"})]


def test_numbers_with_a_decimal_comma_are_read_as_such_where_it_is_said(tmp_path: Path) -> None:
    file = written(tmp_path, "orders.csv", b"id;total;tax;note;size\n1;1.234,50;-0,5;a,b;12\n")
    (plain,), (pointed,) = rows_of(file), rows_of(file, decimal_comma=True)
    assert plain.cells["total"] == "1.234,50"
    assert pointed.cells == {"id": "1", "total": "1234.50", "tax": "-0.5", "note": "a,b", "size": "12"}


def test_lines_of_json_are_rows(tmp_path: Path) -> None:
    file = written(tmp_path, "orders.ndjson", b'{"id": 1}\n\n{"id": 2}')
    assert list(rows_of(file)) == [Row(1, {"id": 1}), Row(3, {"id": 2})]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"id,mail\n1,a,b\n", r"a\.csv:2: more cells than the 2 columns of the head"),
        ("a.csv", "имя\n".encode("cp1251"), r'a\.csv is not in UTF-8; save it anew, in a spreadsheet as "CSV UTF-8"'),
        ("a.csv.gz", b"id\n1\n", r"a\.csv\.gz cannot be read: Not a gzipped file"),
        ("a.csv.gz", gzip.compress(b"id\n1\n", mtime=0)[:-9], r"a\.csv\.gz cannot be read: "),
        ("a.ndjson", b'{"id": 1}\n[2]\n', r"a\.ndjson:2: this line is no JSON object"),
        ("a.ndjson", b'{"id": 1}\n{"id": \n', r"a\.ndjson:2: .*every line must be a JSON object"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_with_its_line(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    with pytest.raises(TactfulError, match=says):
        list(rows_of(written(tmp_path, name, content)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TactfulError, match=r"a\.csv cannot be read: No such file or directory"):
        list(rows_of(tmp_path / "a.csv"))
    with pytest.raises(TactfulError, match="cannot be read: Is a directory"):
        list(rows_of(tmp_path))


FILE = Path("orders.csv")
PAIRS = {"order_id": "id", "userId": "customer", "timestamp": "created"}


def test_a_row_is_history_under_the_names_that_it_was_given() -> None:
    row = Row(2, {"id": "o1", "customer": "u1", "created": "2026-03-02 10:00", "total": "9.90", "empty": ""})
    call = call_of(row, "Order Completed", PAIRS, MADRID, FILE)
    assert call.pop("messageId") == call_of(row, "Order Completed", PAIRS, MADRID, FILE)["messageId"]
    assert call == {
        "type": "track",
        "event": "Order Completed",
        "userId": "u1",
        "timestamp": "2026-03-02T10:00:00+01:00",
        "context": {"history": True},
        "properties": {"order_id": "o1", "total": "9.90"},
    }


LINES = [
    Row(
        2,
        {
            "id": "o1",
            "customer": "u1",
            "created": "2026-03-02",
            "sku": "k1",
            "title": "Kettle",
            "qty": "1",
            "sum": "48.40",
        },
    ),
    Row(
        3,
        {"id": "o1", "customer": "u1", "created": "2026-03-02", "sku": "", "title": "Tea", "qty": "2", "sum": "48.40"},
    ),
    Row(
        4,
        {"id": "o2", "customer": "u1", "created": "2026-03-09", "sku": "t1", "title": "Tea", "qty": "1", "sum": "8.50"},
    ),
]
OF_LINES = {**PAIRS, "total": "sum", "name": "title", "quantity": "qty"}


def test_rows_of_one_order_become_one_event_with_its_products() -> None:
    one, two = together(LINES, "order_id", OF_LINES, FILE)
    assert (one.line, two.line) == (3, 4)
    assert one.cells["products"] == [{"sku": "k1", "name": "Kettle", "quantity": "1"}, {"name": "Tea", "quantity": "2"}]
    left = {ours: theirs for ours, theirs in OF_LINES.items() if ours not in ("name", "quantity")}
    call = call_of(one, "Order Completed", left, MADRID, FILE)
    assert (call["userId"], call["properties"]["order_id"], call["properties"]["total"]) == ("u1", "o1", "48.40")
    assert len(call["properties"]["products"]) == 2


@pytest.mark.parametrize(
    ("rows", "pairs", "says"),
    [
        ([LINES[0], LINES[2], LINES[1]], OF_LINES, r"orders\.csv:3: rows of o1 stand apart; sort the file by id"),
        (LINES, OF_LINES | {"name": "nmae"}, r"orders\.csv:2: there is no column nmae; there are: id, customer"),
        (LINES, OF_LINES | {"order_id": "number"}, r"orders\.csv:2: there is no column number"),
    ],
)
def test_order_lines_that_cannot_be_put_together_are_named(rows: list[Row], pairs: dict[str, str], says: str) -> None:
    with pytest.raises(TactfulError, match=says):
        list(together(rows, "order_id", pairs, FILE))


def test_a_day_is_its_noon_and_a_person_has_traits() -> None:
    row = Row(2, {"userId": "u1", "timestamp": "2026-07-02", "email": "u1@example.test"})
    call = call_of(row, "identify", {}, MADRID, FILE)
    assert (call["timestamp"], call["traits"]) == ("2026-07-02T12:00:00+02:00", {"email": "u1@example.test"})


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"id": "o1", "customer": "u1"}, r"orders\.csv:7: there is no column created; there are: id, customer"),
        ({"id": "o1", "customer": "u1", "created": "2 March"}, r"orders\.csv:7: '2 March' is no time; write it like"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named_with_its_line(cells: dict[str, str], says: str) -> None:
    with pytest.raises(TactfulError, match=says):
        call_of(Row(7, cells), "Order Completed", PAIRS, MADRID, FILE)
