"""The report for those who have a card, run on the CPU."""

from __future__ import annotations

import pytest

from tests.devices.report import HEADINGS, list_rows, report_device


def test_it_is_one_table_with_a_row_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    report_device("cpu", width=2, size=16, batch_size=2, rounds=1, compile=False)
    title, _, *lines = capsys.readouterr().out.splitlines()
    assert title.startswith("attunet, width 2, 16 x 16; ")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == list(HEADINGS)
    training = [row for row in cells[2:] if not row[0].startswith("inference")]
    expected = list(list_rows(False, ("contiguous", "channels_last")))
    assert [row[:4] for row in training] == [
        [row.what, row.level, row.half or "fp32", row.layout] for row in expected
    ]
    assert all(float(row[5]) > 0 and float(row[6]) >= 0 for row in training)
    assert ["inference, cpu", "2"] in [[row[0], row[4]] for row in cells[2:]]


def test_compiled_rows_are_beside_the_others() -> None:
    rows = list(list_rows(True, ("contiguous",)))
    plain, compiled = (
        [row[1:4] for row in rows if row.what == what] for what in ("ours", "ours, compiled")
    )
    assert plain == compiled and len(plain) == 5
    assert all(row.compiled == (row.what == "ours, compiled") for row in rows)
