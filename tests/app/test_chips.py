"""Chips are clicked, fields are typed into; what is ticked is told from outside."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.views.chips import ChipItem, ChipRow, NumberField, parsed

LEFT = Qt.MouseButton.LeftButton


def test_that_a_click_tells_the_key_and_ticks_nothing_by_itself(qtbot: QtBot, qapp: QApplication) -> None:
    theme.apply(qapp, theme.DARK)
    row = ChipRow("row")
    qtbot.addWidget(row)
    items = [ChipItem(k, str(k), f"Frequency {k}", "#ff0000" if k == 14 else None) for k in (14, 35, 41)]
    row.show_items(items, lambda key: key == 35)
    row.resize(300, 40)
    row.show()
    told: list[object] = []
    row.clicked.connect(told.append)
    qtbot.mouseClick(row.chip(14), LEFT)
    qtbot.keyClick(row.chip(41), Qt.Key.Key_Space)
    assert told == [14, 41]
    assert row.ticked == [35]
    assert row.chip(14).accessibleName() == "Frequency 14"
    row.show_items(items[:1], lambda _: True)
    assert row.ticked == [14]
    assert len([chip for chip in row._chips if not chip.isHidden()]) == 1
    assert not row.grab().isNull()


def test_that_a_list_of_numbers_is_read_as_people_write_it() -> None:
    assert parsed("3 17 40-42", 0, 99) == (3, 17, 40, 41, 42)
    assert parsed("3,17; 40–42", 0, 99) == (3, 17, 40, 41, 42)
    assert parsed("", 1, 5) == ()
    assert parsed("7 7 5", 1, 9) == (5, 7)
    for wrong in ("a", "3-", "100", "0", "9-3", "-3", "1e3", "3.5"):
        assert parsed(wrong, 1, 99) is None, wrong


def test_that_a_field_applies_what_is_right_and_puts_back_what_is_not(qtbot: QtBot, qapp: QApplication) -> None:
    theme.apply(qapp, theme.DARK)
    field = NumberField("field", "Neurons", "3 17")
    qtbot.addWidget(field)
    field.show()
    field.show_numbers((3, 4, 5), 0, 23)
    assert field.text() == "3–5"
    told: list[object] = []
    field.entered.connect(told.append)
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "7 9-10")
    assert not field.property("wrong")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert told == [(7, 9, 10)]
    field.selectAll()
    qtbot.keyClicks(field, "99")
    assert field.property("wrong")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert told == [(7, 9, 10)]
    assert field.text() == "7 9 10"
    assert not field.property("wrong")
    field.show_numbers((), 0, 23)
    assert field.text() == ""
