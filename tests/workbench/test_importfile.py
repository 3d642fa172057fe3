"""Files as people export them: spreadsheets with semicolons and marks at the beginning, and what is wrong with them by line."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tactful.errors import TactfulError
from tactful.events.instants import instant
from tactful_workbench.commands.importing import import_file
from tactful_workbench.files.imports import Row, call_of, dated, has_no_number, rows_of, together

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


@pytest.mark.parametrize("name", ["people.CSV", "people.tsv", "PEOPLE.CSV.GZ"])
def test_a_table_is_known_by_the_end_of_its_name_in_small_letters_or_large(tmp_path: Path, name: str) -> None:
    content = b"id\tmail\n1\ta@b.example\n"
    file = written(tmp_path, name, gzip.compress(content) if name.endswith("GZ") else content)
    assert list(rows_of(file)) == [Row(2, {"id": "1", "mail": "a@b.example"})]


def test_a_cell_may_hold_what_stands_between_cells_and_lines(tmp_path: Path) -> None:
    file = written(tmp_path, "notes.csv", b'id,note\n1,"a, b\nand c"\n2,short\n')
    assert list(rows_of(file)) == [Row(3, {"id": "1", "note": "a, b\nand c"}), Row(4, {"id": "2", "note": "short"})]


def test_the_mark_of_spreadsheets_before_a_number_is_no_part_of_it(tmp_path: Path) -> None:
    file = written(tmp_path, "people.csv", b"Customer ID,Phone,Note\n'1000,'+34 600-111-222,'90s kettle\n")
    (row,) = rows_of(file)
    assert row.cells == {"Customer ID": "1000", "Phone": "+34 600-111-222", "Note": "'90s kettle"}


def test_numbers_with_a_decimal_comma_are_read_as_such_where_it_is_said(tmp_path: Path) -> None:
    file = written(tmp_path, "orders.csv", b"id;total;tax;note;size\n1;1.234,50;-0,5;a,b;12\n")
    (plain,), (pointed,) = rows_of(file), rows_of(file, commas=("total", "price"))
    assert plain.cells["total"] == "1.234,50"
    assert pointed.cells == {"id": "1", "total": "1234.50", "tax": "-0.5", "note": "a,b", "size": "12"}


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1.234", "1234"),
        ("-1.234.567", "-1234567"),
        ("1.234.567,8", "1234567.8"),
        ("0.234", "0.234"),
        ("12.34", "12.34"),
    ],
)
def test_points_stand_between_thousands_where_the_decimal_comma_is_said(tmp_path: Path, cell: str, number: str) -> None:
    (row,) = rows_of(written(tmp_path, "orders.csv", f"id;total\n1;{cell}\n".encode()), commas=("total", "price"))
    assert row.cells["total"] == number


def test_an_id_that_looks_like_a_number_with_points_keeps_them(tmp_path: Path) -> None:
    file = written(tmp_path, "orders.csv", b"order_id;customer;total;product_id\n1.001;12.345.678;1.234;10.200\n")
    (row,) = rows_of(file, commas=("total", "price"))
    assert row.cells == {"order_id": "1.001", "customer": "12.345.678", "total": "1234", "product_id": "10.200"}


def test_lines_of_json_are_rows(tmp_path: Path) -> None:
    file = written(tmp_path, "orders.ndjson", b'{"id": 1}\n\n{"id": 2}')
    assert list(rows_of(file)) == [Row(1, {"id": 1}), Row(3, {"id": 2})]


def test_numbers_beside_text_with_a_decimal_comma_stay_as_they_are(tmp_path: Path) -> None:
    file = written(tmp_path, "orders.ndjson", b'{"total": 12.5, "tax": "1,5", "lines": [1]}')
    assert [row.cells for row in rows_of(file, commas=("total",))] == [{"total": 12.5, "tax": "1.5", "lines": [1]}]


def test_32_levels_are_not_too_deep(tmp_path: Path) -> None:
    assert len(list(rows_of(written(tmp_path, "a.ndjson", NESTED % (b"[" * 31, b"]" * 31))))) == 2


@pytest.mark.parametrize("above", [b"\n", b"\r\n;;\r\n"], ids=["an empty line", "and one of empty cells"])
def test_a_table_begins_below_the_empty_lines_above_it(tmp_path: Path, above: bytes) -> None:
    (row,) = rows_of(written(tmp_path, "a.csv", above + b"id;mail\n1;a\n"))
    assert (row.line, row.cells) == (above.count(b"\n") + 2, {"id": "1", "mail": "a"})


def test_many_brackets_beside_one_another_are_not_deep(tmp_path: Path) -> None:
    (row,) = rows_of(written(tmp_path, "a.ndjson", b'{"products": [' + b"{}, " * 99 + b"{}]}"))
    assert len(row.cells["products"]) == 100


PACKED = gzip.compress(b"id\n1\n" * 999, mtime=0)
DAMAGED = PACKED[:12] + bytes([255] * 8) + PACKED[20:]
TOO_DEEP = r"a\.ndjson:2: nested more than 32 levels deep; take out"
NESTED = b'{"id": 1}\n{"id": %s1%s}\n'


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"id,mail\n1,a,b\n", r"a\.csv:2: more cells than the 2 columns of the head"),
        ("a.csv", b"\n,,\nid,mail\n1,a,b\n", r"a\.csv:4: more cells than the 2 columns of the head"),
        (
            "a.csv",
            b'id,mail\n1,a\n2,"b\n3,c\n4,d\n',
            r"a\.csv:3: unexpected end of data; see whether a quotation mark is open",
        ),
        (
            "a.csv",
            b'id,mail\n1,a\n2,"b\n3,"c"\n4,d\n',
            r"a\.csv:3: ',' expected after '\"'; see whether a quotation mark",
        ),
        pytest.param(
            "a.csv",
            b'id,mail\n1,a\n2,"' + b"b\n" * 70_000,
            r"a\.csv:3: field larger than field limit",
            id="open for long",
        ),
        ("a.csv", "имя\n".encode("cp1251"), r'a\.csv is not in UTF-8; save it anew, in a spreadsheet as "CSV UTF-8"'),
        ("a.csv.gz", b"id\n1\n", r"a\.csv\.gz cannot be read: Not a gzipped file"),
        ("a.csv.gz", gzip.compress(b"id\n1\n", mtime=0)[:-9], r"a\.csv\.gz cannot be read: "),
        ("a.ndjson", b'{"id": 1}\n[2]\n', r"a\.ndjson:2: this line is no JSON object"),
        pytest.param("a.csv.gz", DAMAGED, r"a\.csv\.gz cannot be read: .*; pack it anew", id="damaged"),
        ("a.ndjson", b'{"id": 1}\n{"id": \n', r"a\.ndjson:2: .*every line must be a JSON object"),
        pytest.param("a.ndjson", NESTED % (b"[" * 5_000, b"]" * 5_000), TOO_DEEP, id="5,000 levels"),
        pytest.param("a.ndjson", NESTED % (b"[" * 32, b"]" * 32), TOO_DEEP, id="33 levels"),
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


def test_what_can_be_read_only_once_is_refused_rather_than_found_empty(tmp_path: Path) -> None:
    """As `/dev/stdin` behind a pipe: it is read once to find what is wrong, and again to be posted."""
    pipe = tmp_path / "orders"
    os.mkfifo(pipe)
    with pytest.raises(TactfulError, match=r"orders is a pipe, and a file is read twice.*save it as a file"):
        import_file(pipe, "Order Completed", data=tmp_path)


FILE = Path("orders.csv")
WHEN = {"timestamp": "2026-03-02"}
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


def test_a_row_is_the_same_call_in_whatever_order_its_columns_stand() -> None:
    one = {"id": "o1", "customer": "u1", "timestamp": "2026-03-02"}
    other = dict(reversed(one.items()))
    ids = {call_of(Row(2, cells), "Order Completed", {}, MADRID, FILE)["messageId"] for cells in (one, other)}
    assert len(ids) == 1


def test_a_row_whose_columns_are_mapped_anew_is_another_call() -> None:
    row = Row(2, {"id": "u1", "mail": "u1@shop.example", "mobile": "+34600111222"})
    before = {"userId": "id", "email": "mail"}
    ids = {
        call_of(row, "identify", pairs, MADRID, FILE)["messageId"] for pairs in (before, before | {"phone": "mobile"})
    }
    assert len(ids) == 2


def test_one_column_may_mean_two_things() -> None:
    row = Row(2, {"mail": "a@b.example"})
    call = call_of(row, "identify", {"userId": "mail", "email": "mail"}, MADRID, FILE)
    assert (call["userId"], call["traits"]) == ("a@b.example", {"email": "a@b.example"})


@pytest.mark.parametrize("cells", [{**WHEN, "id": "o1", "order_id": "7"}, {**WHEN, "order_id": "7", "id": "o1"}])
def test_a_name_that_was_given_to_a_column_is_not_taken_back_by_the_column_that_had_it(cells: dict[str, str]) -> None:
    assert call_of(Row(2, cells), "Order Completed", {"order_id": "id"}, MADRID, FILE)["properties"] == {
        "order_id": "o1"
    }
    empty = Row(2, cells | {"id": ""})
    assert call_of(empty, "Order Completed", {"order_id": "id"}, MADRID, FILE)["properties"] == {}


@pytest.mark.parametrize("event", ["page", "screen"])
def test_a_page_has_properties(event: str) -> None:
    call = call_of(Row(2, {**WHEN, "userId": "u1", "name": "Home", "url": "/"}), event, {}, MADRID, FILE)
    assert (call["type"], call["properties"]) == (event, {"name": "Home", "url": "/"})


@pytest.mark.parametrize("written", ["2026-07-02T10:00:00+09:00", "2026-07-02 01:00:00 UTC", "2026-07-02T01:00:00Z"])
def test_a_time_with_a_zone_of_its_own_keeps_it(written: str) -> None:
    call = call_of(Row(2, {"userId": "u1", "timestamp": written}), "Order Completed", {}, MADRID, FILE)
    assert instant(call["timestamp"]) == instant("2026-07-02T01:00:00Z")


@pytest.mark.parametrize(
    ("told", "means"),
    [
        (1767225600, "2026-01-01T00:00:00+00:00"),
        (1767225600.5, "2026-01-01T00:00:00.500000+00:00"),
        (1767225600000, "2026-01-01T00:00:00+00:00"),
        ("1767225600", "2026-01-01T00:00:00+00:00"),
        (20261125, "2026-11-25T12:00:00+01:00"),
    ],
)
def test_a_number_is_a_time_since_1970_as_at_the_door(told: float | str, means: str) -> None:
    row = Row(2, {"userId": "u1", "timestamp": told})
    assert call_of(row, "Order Completed", {}, MADRID, FILE)["timestamp"] == means


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


def test_a_row_without_an_id_is_an_order_of_its_own() -> None:
    rows = [
        Row(line, {"id": id_, "customer": customer, "sku": f"k{line}"})
        for line, (id_, customer) in enumerate(
            [("", "u1"), ("", "u2"), (" ", "u3"), (None, "u4"), (None, "u5"), ("o1", "u5")], start=2
        )
    ]
    orders = list(together(rows, "order_id", {"order_id": "id", "userId": "customer"}, FILE))
    assert [(order.cells["customer"], order.cells["products"]) for order in orders] == [
        ("u1", [{"sku": "k2"}]),
        ("u2", [{"sku": "k3"}]),
        ("u3", [{"sku": "k4"}]),
        ("u4", [{"sku": "k5"}]),
        ("u5", [{"sku": "k6"}]),
        ("u5", [{"sku": "k7"}]),
    ]


@pytest.mark.parametrize("nobody", ["", None])
def test_the_customer_of_an_order_may_stand_in_its_first_row_alone(nobody: str | None) -> None:
    rows = [
        Row(2, {"order_id": "o1", "userId": "u1", "sku": "a"}),
        Row(3, {"order_id": "o1", "userId": nobody, "sku": "b"}),
    ]
    (order,) = together(rows, "order_id", {}, FILE)
    assert order.cells == {"order_id": "o1", "userId": "u1", "products": [{"sku": "a"}, {"sku": "b"}]}


def test_a_column_may_mean_two_things_of_a_product_or_one_of_it_and_one_of_its_order() -> None:
    pairs = {"product_id": "sku", "sku": "sku", "name": "title", "note": "title"}
    rows = [Row(2, {**WHEN, "order_id": "o1", "sku": "k1", "title": "Kettle", "name": "Uma"})]
    (order,) = together(rows, "order_id", pairs, FILE)
    assert order.cells["products"] == [{"product_id": "k1", "sku": "k1", "name": "Kettle"}]
    assert "sku" not in order.cells
    assert call_of(order, "Order Completed", {"note": "title"}, MADRID, FILE)["properties"]["note"] == "Kettle"


def test_a_product_s_name_that_was_given_to_a_column_is_not_taken_back() -> None:
    rows = [Row(2, {"order_id": "o1", "number": "k1", "sku": "7"})]
    (order,) = together(rows, "order_id", {"sku": "number"}, FILE)
    assert order.cells["products"] == [{"sku": "k1"}]


@pytest.mark.parametrize(
    ("rows", "pairs", "says"),
    [
        ([LINES[0], LINES[2], LINES[1]], OF_LINES, r"orders\.csv:3: rows of o1 stand apart; sort the file by id"),
        (LINES, OF_LINES | {"name": "nmae"}, r"orders\.csv:2: there is no column nmae; there are: id, customer"),
        (LINES, OF_LINES | {"order_id": "number"}, r"orders\.csv:2: there is no column number"),
        (LINES, {}, r"orders\.csv:2: there is no column order_id; there are: id, customer"),
        (
            [LINES[0], Row(3, LINES[1].cells | {"customer": "u2"})],
            OF_LINES,
            r"orders\.csv:3: rows of o1 differ in customer, and an order has one customer; mend the row",
        ),
        (
            [Row(2, LINES[0].cells | {"anonymousId": "a1"}), Row(3, LINES[1].cells | {"anonymousId": "a2"})],
            OF_LINES,
            r"orders\.csv:3: rows of o1 differ in anonymousId",
        ),
        (
            [Row(2, LINES[0].cells | {"customer": ""}), LINES[1]],
            OF_LINES,
            r"orders\.csv:3: rows of o1 differ in customer",
        ),
    ],
)
def test_order_lines_that_cannot_be_put_together_are_named(rows: list[Row], pairs: dict[str, str], says: str) -> None:
    with pytest.raises(TactfulError, match=says):
        list(together(rows, "order_id", pairs, FILE))


def test_a_day_is_its_noon_and_a_person_has_traits() -> None:
    row = Row(2, {"userId": "u1", "timestamp": "2026-07-02", "email": "u1@example.test"})
    call = call_of(row, "identify", {}, MADRID, FILE)
    assert (call["timestamp"], call["traits"]) == ("2026-07-02T12:00:00+02:00", {"email": "u1@example.test"})


@pytest.mark.parametrize("written", ["1970-01-01 00:00:00", "1970-01-01", "0001-01-02"])
@pytest.mark.parametrize("event", ["Consent Changed", "Order Completed"])
def test_what_a_database_writes_for_a_time_that_nobody_knows_is_none(event: str, written: str) -> None:
    row = Row(7, SAID | {"state": "granted", "timestamp": written})
    with pytest.raises(TactfulError, match=r"orders\.csv:7: .* stands where nobody knew the time"):
        call_of(row, event, {}, MADRID, FILE)


@pytest.mark.parametrize(("phone", "none"), [("600 111 222", True), ("+34 600 111 222", False), ("", False)])
def test_a_phone_number_without_its_country_code_is_noticed(phone: str, none: bool) -> None:
    row = Row(2, {"userId": "u1", "phone": phone})
    assert has_no_number(call_of(row, "identify", {}, MADRID, FILE)) is none
    assert not has_no_number(call_of(Row(2, SAID | {"state": "withdrawn"}), "Consent Changed", {}, MADRID, FILE))


def test_what_is_known_of_a_person_needs_no_time() -> None:
    row = Row(2, {"userId": "u1", "timestamp": "", "email": "u1@example.test"})
    assert "timestamp" not in call_of(row, "identify", {}, MADRID, FILE)


SAID = {"userId": "u1", "purpose": "marketing", "channel": "email"}


@pytest.mark.parametrize("state", ["granted", "requested", ""])
@pytest.mark.parametrize(
    ("when", "mend"),
    [({}, "map timestamp="), ({"timestamp": ""}, "timestamp is empty"), ({"timestamp": None}, "timestamp is empty")],
)
def test_who_allowed_something_has_to_say_when(state: str, when: dict[str, str | None], mend: str) -> None:
    with pytest.raises(TactfulError, match=rf"orders\.csv:7: who allowed this has to say when, .*; {mend}"):
        call_of(Row(7, SAID | {"state": state} | when), "Consent Changed", {}, MADRID, FILE)


def test_rows_without_a_time_may_be_left_out_and_a_column_that_is_not_there_is_still_named() -> None:
    undated = set[int]()
    rows = [Row(2, {"at": "2026-01-05"}), Row(3, {"at": " "}), Row(4, {"at": None}), Row(5, {"when": ""})]
    assert [row.line for row in dated(rows, {"timestamp": "at"}, undated)] == [2, 5]
    assert undated == {3, 4}


def test_an_opt_out_without_a_day_is_taken_and_so_is_what_was_allowed_on_one() -> None:
    withdrawn = call_of(Row(7, SAID | {"state": "withdrawn"}), "Consent Changed", {}, MADRID, FILE)
    assert withdrawn["properties"]["state"] == "withdrawn"
    granted = call_of(
        Row(7, SAID | {"state": "granted", "timestamp": "2026-03-02"}), "Consent Changed", {}, MADRID, FILE
    )
    assert granted["timestamp"] == "2026-03-02T12:00:00+01:00"


def test_what_nobody_dated_has_not_happened_on_the_day_of_the_import_and_a_flag_holds_now() -> None:
    row = Row(7, {"order_id": "o1", "userId": "u1", "created": "2026-03-02"})
    with pytest.raises(
        TactfulError, match=r"orders\.csv:7: nothing tells when it happened.*map timestamp= to a column"
    ):
        call_of(row, "Order Completed", {}, MADRID, FILE)
    flag = call_of(Row(2, {"userId": "u1", "reason": "legal"}), "Customer Flagged", {}, MADRID, FILE)
    assert "timestamp" not in flag


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"id": "o1", "customer": "u1"}, r"orders\.csv:7: there is no column created; there are: id, customer"),
        ({"id": "o1", "customer": "u1", "created": ""}, r"orders\.csv:7: .*created is empty: .*--skip-undated"),
        ({"id": "o1", "customer": "u1", "created": None}, r"orders\.csv:7: .*created is empty"),
        ({"id": "o1", "customer": "u1", "created": "2 March"}, r"orders\.csv:7: '2 March' is no time; write it like"),
        ({"id": "o1", "customer": "u1", "created": 100_000_000}, r"orders\.csv:7: '100000000' is no time"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named_with_its_line(cells: dict[str, str], says: str) -> None:
    with pytest.raises(TactfulError, match=says):
        call_of(Row(7, cells), "Order Completed", PAIRS, MADRID, FILE)
