"""`cartpulse produce`, and the tutorial that shows it."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from cartpulse.main import app
from streams.kafka.log.reading import read_all
from streams.settings.settings import variable
from streams.sources.position import alone
from tests.support.data import tutorial_sales
from tests.support.ledgers.logs import replay_of
from tests.support.paths import DOCS, FIELD

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings

TUTORIAL = DOCS / "tutorial.md"
ROWS = (
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
    "1,A,x,1,12/13/2010 8:00,2.50,C\n"
    "1,B,y,2,12/13/2010 8:00,1.00,C\n"
    "2,A,x,many,12/14/2010 8:00,2.50,C\n"
)


@pytest.fixture
def settings(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of a service of its own, in the environment too."""
    own = fresh_settings(tansu, currency="GBP", time_zone="Europe/London")
    for name in (
        "kafka_broker",
        "application",
        "topic_prefix",
        "session_timeout_ms",
        "currency",
        "time_zone",
    ):
        monkeypatch.setenv(variable(name), str(getattr(own, name)))
    monkeypatch.setenv("COLUMNS", "100")
    return own


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["produce", *arguments])


def held(settings: Settings) -> list[Any]:
    async def read() -> list[Any]:
        return [record async for record in read_all(settings, settings.purchases_topic)]

    return asyncio.run(read())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_text(ROWS)
    return path


def test_a_rehearsal_sends_nothing_and_explains_what_would_be_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    refused = file.with_name("refused.csv")
    result = run(str(file), "--dry-run", "--refused", str(refused), "--broker", "127.0.0.1:1")
    assert result.exit_code == 0, result.output
    assert ": 1 basket of 2 lines; 1 row refused" in result.output
    assert "the month first" in result.output
    told = json.loads(run(str(file), "--dry-run", "--json", "--broker", "127.0.0.1:1").stdout)
    (row,) = told["refused_examples"]
    assert (row["line"], row["sort"]) == (4, "quantity cannot be read")
    with refused.open(newline="") as opened:
        assert list(csv.reader(opened))[1:] == [
            ["4", "quantity: 'many' is no number.", "2,A,x,many,12/14/2010 8:00,2.50,C"]
        ]


def rehearsed(file: Path, *options: str) -> Any:
    """A rehearsal's report and its status."""
    result = run(str(file), "--dry-run", "--json", "--broker", "127.0.0.1:1", *options)
    return json.loads(result.stdout) | {"status": result.exit_code}


@pytest.mark.parametrize(
    "rows",
    [
        ROWS.replace(",1,12", ",one,12").replace(",2,12", ",two,12"),
        ROWS.replace("/13/", "/3/").replace("/14/", "/4/"),
        ROWS.replace("CustomerID", "CustomerID,status").replace(",C\n", ",C,cancelled\n"),
    ],
    ids=["all refused", "undecided", "no sale"],
)
def test_a_rehearsal_of_what_cannot_be_sent_fails(file: Path, rows: str) -> None:
    file.write_text(rows)
    assert rehearsed(file)["status"] == 1


def test_a_rehearsal_shows_what_is_no_sale_and_how_much_there_is(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shutil.copy(FIELD / "status.csv", file)
    with file.open("a") as opened:
        opened.write(
            "5,B,2024-02-23 10:00,on hold,S2,1,2.5\n6,B,2024-02-24 10:00,partially refunded,S2,1,2.5\n"
        )
    shown = run(str(file), "--dry-run", "--broker", "127.0.0.1:1").output
    for sentence in (
        "6 rows: 3 baskets of 3 lines; 0 rows refused.",
        "Left out, as no sale: 1 row with status=cancelled, 1 row with status=failed, 1 row with status=ref",
        "Kept, although the status is not known: 1 row with status=on hold.",
        "1 rows are of orders refunded in part, and count in full.",
        "2 customers, 2 products, 2 categories, 3 baskets; the largest customer, 'B', has 66.7% of the",
    ):
        assert sentence in shown
    report = rehearsed(file)
    assert report["left_out_by_status"] == {
        f"status={word}": 1 for word in ("cancelled", "refunded", "failed")
    }
    assert (report["left_out"], report["refused"], report["status"]) == (3, 0, 0)
    assert report["kept_with_unknown_status"] == {"status=on hold": 1}
    assert (report["customers"], report["products"], report["categories"]) == (2, 2, 2)
    assert report["largest_customer"] == {"customer_id": "B", "baskets": 2, "share": 0.6667}


def test_rows_are_chosen_and_constants_set_on_the_command_line(file: Path) -> None:
    shutil.copy(FIELD / "status.csv", file)
    assert rehearsed(file, "--only", "status=Completed, FAILED")["baskets"] == 2
    assert rehearsed(file, "--without", "status=failed", "--without", "Status=refunded")["baskets"] == 2
    assert rehearsed(file, "--without", "status=")["baskets"] == 4
    missing = rehearsed(file, "--only", 'status=completed,"a, b"')
    assert missing["values_not_found"] == ["status=a, b"]
    web = rehearsed(file, "--set", "channel=web", "--map", "quantity=", "--set", "quantity=3")
    assert web["first_baskets"][0]["channel"] == "web"
    assert web["first_baskets"][0]["items"][0]["quantity"] == 3.0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{n},S{n},d,1,12/{d}/2010 8:00,1,C", "All baskets are of one customer, 'C'"),
        ("{n},S1,d,1,12/{d}/2010 8:00,1,C{n}", "No customer comes twice"),
        ("{n},S{n},d,1,12/{d}/2010 8:00,1,{guest}", "Customer 'guest' has 60.0% of the baskets"),
        ("{n},S1,d,1,12/{d}/2010 8:00,1,{guest}", "All lines are of one product"),
        ("{n},S{n},d,1,12/{d}/2010 8:00,1,{guest}", "No product is bought twice"),
    ],
)
def test_counts_that_fit_no_shop_are_pointed_out(file: Path, row: str, said: str) -> None:
    rows = [row.format(n=n, d=n + 10, guest="guest" if n < 12 else f"C{n % 4}") for n in range(20)]
    file.write_text("\n".join([ROWS.partition("\n")[0], *rows]) + "\n")
    assert said in " ".join(rehearsed(file)["suspicions"])


def test_an_orders_amount_is_told_to_be_a_check(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    file.write_text(
        "order,customer,date,sku,qty,price,Total\n1,A,2024-02-01,S1,1,2,5\n1,A,2024-02-01,S2,1,3,5\n"
        "2,A,2024-02-02,S1,1,2,9\n2,A,2024-02-02,S2,1,3,9\n"
    )
    shown = run(str(file), "--dry-run", "--broker", "127.0.0.1:1").output
    assert "Column 'Total' is equal on all lines of every order of several lines (2 of them)" in shown
    assert "is the sum of its lines in 1 orders, and another in 1, which shipping" in shown
    assert rehearsed(file)["order_totals"] == {"agree": 1, "differ": 1}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2010-12-13 08:00", "Times without an offset are UTC's: 2010-12-13 08:00 is 2010-12-13T08:00:00Z."),
        (
            "2010-12-13T08:00+02:00",
            "count as written: 2010-12-13T08:00+02:00 is 2010-12-13T06:00:00Z. Others are UTC's.",
        ),
    ],
)
def test_a_rehearsal_shows_how_a_time_is_meant(
    file: Path, monkeypatch: pytest.MonkeyPatch, written: str, said: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    file.write_text(ROWS.replace("12/13/2010 8:00", written))
    shown = run(str(file), "--dry-run", "--time-zone", "UTC", "--broker", "127.0.0.1:1").output
    assert said in shown


@pytest.mark.parametrize("encoding", ["hex", "rot13", "idna", "punycode", "undefined", "no-such"])
@pytest.mark.parametrize("option", ["--encoding", "--fallback-encoding"])
def test_what_is_no_encoding_of_letters_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, option: str, encoding: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = run(str(file), "--dry-run", option, encoding, "--broker", "127.0.0.1:1")
    assert result.exit_code == 2
    assert f"'{encoding}' is no encoding that is known" in result.stderr


def test_a_rehearsal_shows_events_that_leave_out_what_may_be_missing(tmp_path: Path) -> None:
    event = {
        "event_id": "e1",
        "customer_id": "C",
        "occurred_at": "2024-03-05T10:00:00Z",
        "currency": "USD",
        "kind": "purchase",
        "items": [{"product_id": "P", "category": "MILK", "quantity": 2, "unit_price": 1.5}],
    }
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps(event) + "\n")
    result = run(str(events), "--dry-run", "--broker", "127.0.0.1:1")
    assert result.exit_code == 0, result.output
    assert "purchase of customer C at 2024-03-05T10:00:00Z, 3.00 USD" in " ".join(result.stdout.split())


def test_a_rehearsal_of_hostile_purchases_shows_what_breaks_the_contract() -> None:
    parameters = "customers=5,days=3,hostile=1"
    result = run("--synthetic", parameters, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "Breaks the contract:" in result.stdout
    told = json.loads(run("--synthetic", parameters, "--dry-run", "--json").stdout)
    assert any(not isinstance(basket, dict) for basket in told["first_baskets"])


def test_a_rehearsal_shows_amounts_exactly_and_what_totals_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "sales.csv"
    path.write_text(
        "order,customer,date,sku,qty,price,total\n1,c,2026-03-01,A,1,1234.56,1234.56\n"
        "1,c,2026-03-01,B,123456,0.0125,1543.2\n2,c,2026-03-02,A,1,98765.43,98000.00\n"
        "3,c,2026-03-03,A,1,10,12\n"
    )
    found = run(str(path), "--dry-run")
    for said in ("1,234.56", "123,456", "0.0125", "98,765.43", "765.43", "2,777.76", "98,000.00"):
        assert f" {said} " in found.stdout
    assert "In 1 line the total is less than quantity times price" in found.stdout
    assert "In 1 line the total differs" in found.stdout
    told = rehearsed(path)
    assert (told["discounts_from_totals"], told["line_totals_that_differ"]) == (1, 1)


ORDERS = [
    {"order": str(n), "customer": "A", "date": f"2024-02-{n:02}", "sku": "é", "qty": 1, "price": 2}
    for n in range(1, 5)
]
EVENTS = [
    {"event_id": f"e{n}", "customer_id": "A", "occurred_at": f"2024-02-{n:02}T10:00:00Z", "kind": "purchase"}
    | {"currency": "GBP", "items": [{"product_id": "P", "category": "M", "quantity": 1, "unit_price": 1}]}
    for n in range(1, 5)
]


def json_of(kind: str) -> bytes:
    rows = EVENTS if kind == "events" else ORDERS
    written = {
        "array": json.dumps(rows, indent=1),
        "wrapped": json.dumps({"orders": rows}),
        "stream": "".join(json.dumps(row, indent=1) for row in rows),
    }
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return written.get(kind, lines).encode()


@pytest.mark.parametrize("kind", ["lines", "events", "array", "wrapped", "stream"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_of_json_that_is_cut_off_is_not_sent_until_a_person_says_so(
    tmp_path: Path, settings: Settings, kind: str, *, packed: bool
) -> None:
    whole = json_of(kind)
    path = tmp_path / "orders.json"
    for cut in (len(whole) - 30, len(whole) - 1, len(whole) - len(whole) // 8):
        content = whole[:cut].rstrip() + b"\n"
        path.write_bytes(gzip.compress(content) if packed else content)
        found = run(str(path))
        assert found.exit_code == 1
        assert "Nothing was sent. The file is cut off" in found.stderr
        rehearsal = run(str(path), "--dry-run")
        assert rehearsal.exit_code == 1
        assert "The file is cut off" in rehearsal.stdout
        assert "--allow-truncated" in rehearsal.stdout
    assert rehearsed(path, "--allow-truncated")["cut_off"].startswith("The file is cut off")
    assert run(str(path), "--allow-truncated").exit_code == 0
    assert len({record.value for record in held(settings) if record.key == b"A"}) == 3


def test_a_file_that_is_cut_off_within_a_letter_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    path.write_bytes(json_of("lines").rpartition(b"\xc3")[0] + b"\xc3")
    assert rehearsed(path)["cut_off"] is not None


def test_a_file_that_is_whole_is_not_called_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    for kind in ("lines", "events", "array", "wrapped", "stream"):
        path.write_bytes(json_of(kind))
        assert rehearsed(path)["cut_off"] is None
    path.write_bytes(json_of("lines") + b'\n{"order": oops}\n')
    assert rehearsed(path)["cut_off"] is None


def test_a_folder_that_is_missing_is_named_in_one_line(file: Path) -> None:
    refused = file.parent / "missing" / "refused.csv"
    result = run(str(file), "--dry-run", "--refused", str(refused), "--broker", "127.0.0.1:1")
    assert (result.exit_code, result.stderr) == (1, f"cartpulse: {refused}: No such file or directory\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_ends_in_one_line(file: Path) -> None:
    result = run(str(file), "--dry-run", "--refused", "/dev/full", "--broker", "127.0.0.1:1")
    assert (result.exit_code, result.stderr) == (1, "cartpulse: No space left on device\n")


def test_a_file_is_sent_once_and_the_position_says_so(file: Path, settings: Settings) -> None:
    first = json.loads(run(str(file), "--json").stdout)
    assert (first["sent"], first["refused"], first["columns"]["customer_id"]) == (1, 1, "CustomerID")
    again = run(str(file), "--json")
    assert again.exit_code == 0
    assert "sent before" in again.stderr
    records = [json.loads(record.value) for record in held(settings)]
    assert [record["kind"] for record in records] == ["tick", "purchase", "tick"]
    assert records[1]["currency"] == "GBP"
    assert json.loads(run(str(file), "--restart", "--json").stdout)["sent"] == 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "'", "\uff1d"])
def test_refused_rows_are_no_formulas_of_a_spreadsheet_and_stay_recoverable(file: Path, start: str) -> None:
    original = f"{start}HYPERLINK(0),A,x,many,12/14/2010 8:00,2.50,C"
    file.write_text(f"{ROWS}{original}\n1,A,x,many,12/14/2010 8:00,2.50,C\n")
    refused = file.with_name("refused.csv")
    result = run(str(file), "--dry-run", "--refused", str(refused), "--broker", "127.0.0.1:1")
    assert result.exit_code == 0, result.output
    with refused.open(newline="") as opened:
        texts = [row[2] for row in csv.reader(opened)]
    assert not any(text.startswith(("=", "+", "-", "@", "\t", "\uff1d")) for text in texts)
    assert original in [text.removeprefix("'") for text in texts]
    assert "1,A,x,many,12/14/2010 8:00,2.50,C" in texts


def test_ids_that_a_spreadsheet_destroyed_are_not_sent_until_a_person_decides(file: Path) -> None:
    path = file.with_name("spreadsheet_ids.csv")
    path.write_text((FIELD / "spreadsheet_ids.csv").read_text())
    rehearsed = json.loads(run(str(path), "--dry-run", "--json", "--broker", "127.0.0.1:1").stdout)
    assert len(rehearsed["undecided"]) == 2
    sent = run(str(path), "--broker", "127.0.0.1:1")
    assert sent.exit_code == 1
    for part in ("Nothing was sent", "'customer_id'", "'4.00126E+12' in line 2", "--damaged-ids take"):
        assert part in sent.stderr
    taken = run(str(path), "--dry-run", "--json", "--damaged-ids", "take", "--broker", "127.0.0.1:1")
    assert json.loads(taken.stdout)["undecided"] == []


@pytest.mark.parametrize(
    ("content", "option", "said"),
    [
        ("1,C,12/13/2010,8\n2,C,12/13/2010,815\n", "--times=zeros-lost", "zeros-lost: 8 is 00:08:00"),
        ("1,C,45323.75,\n2,C,12/13/2010,\n", "--serial-dates=read", "days since 30 December 1899"),
        ("1,C,12/13/2010,8\n2,C,12/13/2010,815\n", "--times=hours-first", "hours-first: 8 is 08:00:00"),
        ("1,C.0,12/13/2010,\n1,7.0,12/13/2010,\n2,7,12/13/2010,\n", "--float-ids=join", "7.0 is 7."),
    ],
)
def test_one_option_answers_what_a_file_does_not_tell(
    file: Path, monkeypatch: pytest.MonkeyPatch, content: str, option: str, said: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rows = content.replace("\n", ",S,1,1\n")
    file.write_text(f"order_id,customer_id,date,time,sku,quantity,price\n{rows}")
    asked = json.loads(run(str(file), "--dry-run", "--json", "--broker", "127.0.0.1:1").stdout)["undecided"]
    assert [option.partition("=")[0] in question for question in asked] == [True]
    answered = run(str(file), "--dry-run", option, "--broker", "127.0.0.1:1")
    assert "Not clear yet" not in answered.output
    assert said in answered.output


def test_a_file_that_can_be_read_in_two_ways_is_not_sent(file: Path) -> None:
    file.write_text(ROWS.replace("/13/", "/3/").replace("/14/", "/4/"))
    result = run(str(file), "--broker", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "--dates" in result.stderr
    assert not list(file.parent.glob("*position*"))


def test_two_senders_do_not_take_up_one_file(file: Path) -> None:
    with alone(file):
        result = run(str(file), "--broker", "127.0.0.1:1")
    assert "Another process is sending" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "not both"),
        (("--synthetic", "customers=1"), "days must be given"),
        (("FILE", "--time-zone", "Mars/Base"), "no time zone"),
        (("FILE", "--encoding", "klingon"), "no encoding"),
        (("FILE", "--delimiter", "::"), "not one letter"),
        (("FILE", "--refused", "FILE"), "write over the file itself"),
        (("FILE", "--map", "customer"), "FIELD=COLUMN"),
        (("FILE", "--map", "who=CustomerID"), "no field 'who'"),
        (("FILE", "--map", "customer_id=Nobody"), "no column 'Nobody'"),
        (("FILE", "--set", "channel"), "FIELD=VALUE"),
        (("FILE", "--set", "currency=EUR"), "the one currency of this service is USD"),
        (("FILE", "--only", "Country"), "COLUMN=VALUE[,VALUE]"),
        (("FILE", "--only", "Country="), "names no value"),
        (("FILE", "--without", "Country=UK"), "no column 'Country'"),
    ],
)
def test_what_was_written_wrongly_is_said(file: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(*(str(file) if each == "FILE" else each for each in arguments))
    assert result.exit_code != 0
    assert said in " ".join(result.output.replace("│", " ").split())


def test_invented_purchases_are_sent_and_gone_on_with(settings: Settings, tmp_path: Path) -> None:
    text = "customers=40,days=5,duplicates=0.1"
    result = run("--synthetic", text, "--state-dir", str(tmp_path), "--json")
    told = json.loads(result.stdout)
    records = held(settings)
    assert (
        sum(record.key is not None for record in records)
        == told["sent"]
        == told["purchases"] + told["duplicates"]
    )
    assert "sent before" in run("--synthetic", text, "--state-dir", str(tmp_path)).stderr


def commands() -> list[tuple[list[str], list[str]]]:
    """The tutorial's `cartpulse produce` commands, each with the lines that it is said to write."""
    found: list[tuple[list[str], list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", TUTORIAL.read_text(), re.DOTALL):
        shown: list[str] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                shown = []
                words = shlex.split(line[2:], comments=True)
                if words[:2] == ["cartpulse", "produce"]:
                    found.append((words[2:], shown))
            elif line.strip() not in ("", "..."):
                shown.append(line.rstrip())
    return found


def test_the_tutorial_says_what_happens(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "docs" / "tutorial"
    folder.mkdir(parents=True)
    tutorial_sales.write(folder / "sales.csv")
    assert (folder / "sales.csv").read_bytes() == tutorial_sales.FILE.read_bytes()
    monkeypatch.chdir(tmp_path)
    *of_the_file, invented = commands()
    for arguments, shown in of_the_file:
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        output = [line.rstrip() for line in result.output.splitlines()]
        missing = [line for line in shown if line not in output]
        assert not missing, result.output
    assert len(of_the_file) == 4
    records = held(settings)
    replay = replay_of([record.value for record in records], settings.ledger)
    assert {alert["state"] for alert in replay.values("replenishment-alerts")} >= {"raised", "fulfilled"}
    assert not replay.refusals
    output = run(*invented[0]).output.splitlines()
    assert set(invented[1]) <= set(output)


def test_the_layouts_that_are_known_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = run("--presets")
    assert shown.exit_code == 0
    listed = json.loads(run("--presets", "--json").stdout)
    assert len(listed) >= 20
    assert all(each["name"] in shown.stdout for each in listed)


def test_a_rehearsal_names_the_layout_and_what_stands_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    titled = tmp_path / "sales.csv"
    titled.write_text("Sales of December\n\n" + ROWS)
    for arguments, said in (
        ((), "Layout: UCI, Online Retail (uci-online-retail), known by its columns"),
        (("--preset", "uci-online-retail"), "Layout: UCI, Online Retail (uci-online-retail), as told"),
        ((), "Line 3 names the columns; what stands above is left out: 'Sales of December'"),
        (("--skip", "2"), "Line 3 names the columns, as told."),
    ):
        result = run(str(titled), "--dry-run", *arguments, "--broker", "127.0.0.1:1")
        assert said in result.output
    told = json.loads(run(str(titled), "--dry-run", "--json", "--broker", "127.0.0.1:1").stdout)
    assert (told["layout"], told["baskets"]) == ("uci-online-retail", 1)


def piped(content: bytes, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["produce", "-", *arguments], input=content)


def test_standard_input_is_rehearsed_like_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = tmp_path / "refused.csv"
    arguments = ("--dry-run", "--json", "--broker", "127.0.0.1:1")
    told = json.loads(piped(gzip.compress(ROWS.encode()), *arguments, "--refused", str(refused)).stdout)
    assert (told["baskets"], told["refused"]) == (1, 1)
    assert len(refused.read_text().splitlines()) == 2
    assert "standard input is empty" in piped(b"", *arguments).stderr
    assert list(tmp_path.iterdir()) == [refused]


def test_a_file_that_standard_input_comes_from_is_not_written_over(file: Path) -> None:
    with file.open("rb") as opened:
        result = subprocess.run(
            [sys.executable, "-m", "cartpulse", "produce", "-", "--dry-run", "--refused", str(file)],
            stdin=opened,
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 2
    assert "write over the file itself" in " ".join(result.stderr.replace("│", " ").split())
    assert file.read_text() == ROWS


def test_standard_input_is_sent_once_where_its_position_is_kept(tmp_path: Path, settings: Settings) -> None:
    assert settings.currency == "GBP"
    state = ("--state-dir", str(tmp_path))
    assert json.loads(piped(ROWS.encode(), *state, "--json").stdout)["sent"] == 1
    again = piped(gzip.compress(ROWS.encode()), *state, "--json")
    assert "All of standard input was sent before" in again.stderr
    other = ROWS.replace("12/13", "12/15").encode()
    assert json.loads(piped(other, *state, "--json").stdout)["sent"] == 1
    assert "No position is kept of standard input" in " ".join(piped(ROWS.encode()).stdout.split())
    assert len(list(tmp_path.glob("standard-input-*"))) == 2


def test_a_file_that_is_packed_anew_is_not_sent_again(file: Path, settings: Settings) -> None:
    assert settings.currency == "GBP"
    packed = file.with_name("sales.csv.gz")
    packed.write_bytes(gzip.compress(ROWS.encode(), mtime=1))
    assert json.loads(run(str(packed), "--json").stdout)["sent"] == 1
    packed.write_bytes(gzip.compress(ROWS.encode(), mtime=2, compresslevel=1))
    assert "sent before" in run(str(packed), "--json").stderr


def test_a_broken_packed_file_ends_in_one_line_and_sends_nothing(file: Path) -> None:
    packed = file.with_name("sales.csv.gz")
    packed.write_bytes(gzip.compress(ROWS.encode() * 50)[:-9])
    result = run(str(packed), "--broker", "127.0.0.1:1")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "Nothing was sent" in result.stderr
    assert not list(file.parent.glob("*position*"))
