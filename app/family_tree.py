"""The family of the run on show, drawn under the slider on its scale: a lane for each run, a click away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QMenu, QSizePolicy, QVBoxLayout, QWidget

from app import theme
from app.family import Family, describe
from app.family_lane import DOT, MIDDLE, ROW, Lane, bent_line
from app.session import Selection
from app.views.still import Still, on_panel, stand_on_panel
from engine.lineage import Member, nearest

MOST = 6  # lanes; more relatives are in a menu


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
        self._still, self._edition = Still(), 0  # everything but the mark at the shown epoch
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 2, 0, 0)
        self._column.setSpacing(0)
        stand_on_panel(self)
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
            self.repaint_all()

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

    def menu(self, parent: QWidget) -> QMenu:
        """Every relative, by name and by what is different."""
        menu = QMenu("Family", parent)
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
        chosen = nearest(members, self.family.shown, MOST)
        if [lane.member for lane in self.lanes] != [members[i] for i in chosen]:
            self._make_lanes(members, chosen)
        shown = self.family.shown
        for lane, place in zip(self.lanes, chosen, strict=True):
            lane.show_epoch(self._epoch, place == shown)
        self.repaint_all()

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

    def repaint_all(self) -> None:
        """Something other than the shown epoch has changed."""
        self._edition += 1
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The lanes as they were drawn once, and a line through them at the shown epoch that spares their names."""
        look, painter = theme.current(), on_panel(self, event)
        self._still.paint(painter, self.size(), (self._edition, look.name), self._draw_lanes)
        if self._epoch is None:
            return
        x = round(self.x_of(self._epoch)) + 0.5
        free = [lane for lane in self.lanes if not lane.named[0] <= x <= lane.named[1]]
        painter.setPen(QPen(QColor(look.accent), 1, Qt.PenStyle.DotLine))
        for lane in free:
            painter.drawLine(QPointF(x, lane.y()), QPointF(x, lane.y() + ROW - 1))
        for lane in (lane for lane in free if lane.shown):
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(look.panel), 1.5))
            painter.setBrush(QColor(look.accent))
            painter.drawEllipse(QPointF(x, lane.y() + MIDDLE), DOT, DOT)

    def _draw_lanes(self, painter: QPainter) -> None:
        """And the lines from parents down to their forks."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.font())
        rows = {lane.member.header.id: lane for lane in self.lanes}
        for lane in self.lanes:
            above = rows.get(lane.member.header.origin.parent or "")
            if above is not None:
                painter.setPen(QPen(lane.colour, 2))
                painter.drawPath(bent_line(lane.begin, above.y() + MIDDLE, lane.y() + MIDDLE))
        for lane in self.lanes:
            painter.save()
            painter.translate(0, lane.y())
            lane.draw(painter)
            painter.restore()


class _Rest(QAbstractButton):
    """So many more relatives, in a menu."""

    def __init__(self, tree: FamilyTree, n: int) -> None:
        super().__init__(tree)
        self._tree, self._n = tree, n
        self.setText(f"and {n} more …")
        self.setObjectName("family.more")
        self.setAccessibleName(f"{n} more related runs")
        self.setToolTip("All related runs")
        self.setFixedHeight(ROW)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(self._open_menu)

    def _open_menu(self) -> None:
        menu = self._tree.menu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.mapToGlobal(self.rect().bottomLeft()))

    def sizeHint(self) -> QSize:
        return QSize(120, ROW)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, look = QPainter(self), theme.current()
        font = QFont(self.font())
        font.setPixelSize(11)
        font.setUnderline(self.hasFocus())
        painter.setFont(font)
        painter.setPen(QColor(look.muted))
        area = QRectF(self.rect()).adjusted(10, 0, 0, 0)
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.text())
