"""The family of the run on show, drawn under the slider on its scale: a lane for each run, a click away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QFont, QKeyEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QAbstractButton, QMenu, QSizePolicy, QVBoxLayout, QWidget

from app import theme
from app.family import Family, describe
from app.numbers import epoch_text
from app.session import Selection
from engine.lineage import Member

MOST = 6  # lanes; more relatives are in a menu
_ROW, _DOT, _BEND = 16, 4.0, 8.0  # pixels: height of a lane, radius of a mark, of the bend where a fork leaves
_MIDDLE = _ROW / 2


class FamilyTree(QWidget):
    """Lanes on the slider's scale; hidden where a run has no relatives."""

    wanted = Signal(object)  # Header: show that run, from where one is

    def __init__(self, family: Family, x_of: Callable[[float], float]) -> None:
        """x_of : x of an epoch, in this widget's coordinates"""
        super().__init__()
        self.family, self.x_of = family, x_of
        self.setObjectName("timeline.family")
        self.setAccessibleName("Runs related to the one on show")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.lanes: list[Lane] = []
        self._rest: _Rest | None = None
        self._scale: tuple[object, ...] = ()
        self._ends = (0, 0)  # the slider's first and last epoch
        self._epoch: int | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 2, 0, 0)
        self._column.setSpacing(0)
        self.setVisible(False)
        family.changed.connect(self._refill)
        self._refill()

    def show_selection(self, selection: Selection, scale: str) -> None:
        """Where one is; `scale` is the slider's."""
        now = (selection.run, selection.n_checkpoints, scale)
        there = selection.run is not None and selection.n_checkpoints
        self._move_to(selection.epoch if there else None)
        if selection.run is not None and selection.n_checkpoints:
            epochs = selection.run.epochs
            self._ends = int(epochs[0]), int(epochs[selection.n_checkpoints - 1])
        shown = selection.run.id if selection.run is not None else ""
        for lane in self.lanes:
            lane.show_epoch(self._epoch, lane.member.header.id == shown)
        if now != self._scale:
            self._scale = now
            self._repaint()

    def _move_to(self, epoch: int | None) -> None:
        """The line at the shown epoch; only what it leaves and where it comes to is painted again."""
        for at in (self._epoch, epoch):
            if at is not None and epoch != self._epoch:
                self.update(round(self.x_of(at)) - 7, 0, 14, self.height())
        self._epoch = epoch

    def step_by(self, by: int) -> None:
        """Show the relative so many lanes further down."""
        shown, members = self.family.shown, self.family.members
        if shown is not None and 0 <= shown + by < len(members):
            self.wanted.emit(members[shown + by].header)

    def menu(self) -> QMenu:
        """Every relative, by name and by what is different."""
        menu = QMenu("Family", self)
        members = self.family.members
        for i, member in enumerate(members):
            above = None if member.parent is None else members[member.parent]
            action = menu.addAction(
                f"{member.header.path.stem}: {describe(member, above)}",
                lambda header=member.header: self.wanted.emit(header),
            )
            action.setCheckable(True)
            action.setChecked(i == self.family.shown)
        return menu

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last epoch on the slider."""
        return self._ends

    def _refill(self) -> None:
        """Other relatives, or the same a little further."""
        members = self.family.members
        chosen = nearest_relatives(members, self.family.shown, MOST)
        if [lane.member for lane in self.lanes] != [members[i] for i in chosen]:
            self._make_lanes(members, chosen)
        shown = self.family.shown
        for lane, place in zip(self.lanes, chosen, strict=True):
            lane.show_epoch(self._epoch, place == shown)
        self._repaint()

    def _make_lanes(self, members: Sequence[Member], chosen: Sequence[int]) -> None:
        for part in (*self.lanes, *([self._rest] if self._rest is not None else [])):
            self._column.removeWidget(part)
            part.hide()
            part.deleteLater()
        self.lanes, self._rest = [], None
        for place in chosen:
            above = members[place].parent
            lane = Lane(self, members[place], None if above is None else members[above])
            lane.bent = above in chosen
            self.lanes.append(lane)
            self._column.addWidget(lane)
        if len(members) > len(chosen):
            self._rest = _Rest(self, len(members) - len(chosen))
            self._column.addWidget(self._rest)
        self.setVisible(bool(chosen))

    def _repaint(self) -> None:
        self.update()
        for lane in self.lanes:
            lane.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The lines from parents down to their forks, and one at the shown epoch."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._epoch is not None:
            x = round(self.x_of(self._epoch)) + 0.5
            painter.setPen(QPen(QColor(theme.current().accent), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height() - 2))
        rows = {lane.member.header.id: lane for lane in self.lanes}
        for lane in self.lanes:
            above = rows.get(lane.member.header.origin.parent or "")
            if above is None:
                continue
            x, top, bottom = lane.begin, above.y() + _MIDDLE, lane.y() + _MIDDLE
            path = QPainterPath(QPointF(x, top))
            path.lineTo(x, bottom - _BEND)
            path.quadTo(x, bottom, x + _BEND, bottom)
            painter.setPen(QPen(lane.colour, 2))
            painter.drawPath(path)


class Lane(QAbstractButton):
    """One run: a line over its epochs, its name, and what is different about it."""

    def __init__(self, tree: FamilyTree, member: Member, above: Member | None) -> None:
        super().__init__(tree)
        self._tree, self.member = tree, member
        self._said = describe(member, above)
        self._epoch: int | None = None
        self._shown = self._hovered = False
        self.bent = False  # whether a line from its parent leads to it
        header = member.header
        self._name = header.path.stem
        self._short = "" if above is None else f" · {', '.join(member.changes) or 'unchanged'}"
        self._short += " · fresh" * (above is not None and header.origin.optimizer == "fresh")
        self.setObjectName(f"family.{header.path.stem}")
        self.setAccessibleName(f"{self._name}: {self._said}")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedHeight(_ROW)
        self.clicked.connect(lambda: tree.wanted.emit(header))

    def sizeHint(self) -> QSize:
        return QSize(120, _ROW)

    @property
    def last(self) -> int:
        return self._tree.family.last_epoch(self.member)

    @property
    def begin(self) -> float:
        """x where it begins, or where it comes into view."""
        return self._tree.x_of(self.member.header.first)

    @property
    def end(self) -> float:
        return self._tree.x_of(self.last)

    @property
    def colour(self) -> QColor:
        look = theme.current()
        return QColor(look.accent if self._shown else look.muted if self._hovered else look.faint)

    @property
    def goes_to(self) -> int | None:
        """The epoch, or nearly, that a click leads to."""
        return None if self._epoch is None else min(max(self._epoch, self.member.header.first), self.last)

    def show_epoch(self, epoch: int | None, shown: bool) -> None:
        """Where one is, in any run; shown : in this one"""
        if shown != self._shown:
            self._shown = shown
            self.setAccessibleDescription("on show" if shown else "")
            self.update()
            self._tree.update()
        self._epoch = epoch

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        look, begin, end = theme.current(), self.begin, max(self.end, self.begin + 2)
        painter.setPen(QPen(self.colour, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        start = min(begin + _BEND, end) if self.bent else begin
        painter.drawLine(QPointF(start, _MIDDLE), QPointF(end, _MIDDLE))
        self._paint_ends(painter, begin, end)
        there = self.goes_to
        if there is not None and (self._shown or self._hovered or self.hasFocus()):
            painter.setPen(QPen(QColor(look.panel if self._shown else look.muted), 1.5))
            painter.setBrush(QColor(look.accent if self._shown else look.panel))
            painter.drawEllipse(QPointF(self._tree.x_of(there), _MIDDLE), _DOT, _DOT)
        self._paint_text(painter, start, end)
        if self.hasFocus():
            painter.setPen(QColor(look.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def _paint_ends(self, painter: QPainter, begin: float, end: float) -> None:
        """Arrows where it goes on outside the slider's range, and a stop where it ends."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.colour)
        low, high = self._tree.ends
        if self.last > high:
            _arrow(painter, end + 5, 1)
        else:
            painter.drawRoundedRect(QRectF(end - 1, _MIDDLE - 4, 2, 8), 1, 1)
        if self.member.header.first < low:
            _arrow(painter, begin - 5, -1)

    def _paint_text(self, painter: QPainter, begin: float, end: float) -> None:
        """On the line where it is long enough, else right or left of it."""
        look = theme.current()
        bold = QFont(self.font())
        bold.setPixelSize(11)
        bold.setWeight(QFont.Weight.DemiBold if self._shown else QFont.Weight.Medium)
        plain = QFont(bold)
        plain.setWeight(QFont.Weight.Normal)
        painter.setFont(plain)
        rest = painter.fontMetrics().horizontalAdvance(self._short)
        painter.setFont(bold)
        name = painter.fontMetrics().horizontalAdvance(self._name)
        width = name + rest
        on_line = min(begin + 10, max(4.0, self.width() - width - 8))
        beside = (x for x in (end + 14, begin - 18 - width) if x >= 4 and x + width <= self.width() - 4)
        x = on_line if width + 28 <= end - begin else next(beside, on_line)
        painter.fillRect(QRectF(x - 4, 0, width + 8, _ROW), QColor(look.panel))
        for text, font, colour, at, room in (
            (self._name, bold, look.text if self._shown else look.muted, x, name),
            (self._short, plain, look.muted, x + name, rest),
        ):
            painter.setFont(font)
            painter.setPen(QColor(colour))
            painter.drawText(QRectF(at, 0, room + 2, _ROW), Qt.AlignmentFlag.AlignVCenter, text)

    # -- pointer and keyboard ------------------------------------------------------------------------------

    def enterEvent(self, event: QEnterEvent) -> None:
        self._hover(True)
        self.setToolTip(self._told())

    def leaveEvent(self, event: QEvent) -> None:
        self._hover(False)

    def _hover(self, on: bool) -> None:
        self._hovered = on
        self.update()
        self._tree.update()

    def _told(self) -> str:
        header = self.member.header
        span = f"epochs {epoch_text(header.first)} to {epoch_text(self.last)}, {header.state}"
        click = "on show" if self._shown or self.goes_to is None else f"click: near epoch {epoch_text(self.goes_to)}"
        return f"{header.path.name}: {self._said}\n{span}\n{click}"

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)


class _Rest(QAbstractButton):
    """So many more relatives, in a menu."""

    def __init__(self, tree: FamilyTree, n: int) -> None:
        super().__init__(tree)
        self._tree, self._n = tree, n
        self.setText(f"and {n} more …")
        self.setObjectName("family.more")
        self.setAccessibleName(f"{n} more related runs")
        self.setToolTip("All related runs")
        self.setFixedHeight(_ROW)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(lambda: tree.menu().popup(self.mapToGlobal(self.rect().bottomLeft())))

    def sizeHint(self) -> QSize:
        return QSize(120, _ROW)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, look = QPainter(self), theme.current()
        font = QFont(self.font())
        font.setPixelSize(11)
        font.setUnderline(self.hasFocus())
        painter.setFont(font)
        painter.setPen(QColor(look.muted))
        area = QRectF(self.rect()).adjusted(10, 0, 0, 0)
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.text())


def _arrow(painter: QPainter, x: float, way: int) -> None:
    tip, back = x + 3 * way, x - 2 * way
    painter.drawPolygon(QPolygonF([QPointF(tip, _MIDDLE), QPointF(back, _MIDDLE - 4), QPointF(back, _MIDDLE + 4)]))


def nearest_relatives(members: Sequence[Member], shown: int | None, most: int) -> list[int]:
    """Places of the members closest to the one on show, itself among them, in the family's order."""
    if shown is None:
        return []
    met = [shown]
    for place in met:  # it grows: first the near ones, then theirs
        above = members[place].parent
        near = [i for i, member in enumerate(members) if i == above or member.parent == place]
        met += [i for i in near if i not in met]
    return sorted(met[:most])
