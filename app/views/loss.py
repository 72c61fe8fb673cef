"""Losses, progress measures and accuracies over training, their phases, and the published mainline beside them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from html import escape
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QComboBox, QGridLayout, QVBoxLayout, QWidget

from app import theme
from app.compute import Query
from app.export import Table
from app.family import Family
from app.numbers import epoch_text
from app.session import Selection
from app.views.base import TracedView
from app.views.controls import label, toggle
from app.views.help import help_text
from app.views.legend import SMALL, VALUE_ROOM, Flow, LegendEntry, share, value_text
from app.views.loss_family import MOST, ROLES, RelativeCurves, relative_curves
from app.views.loss_plots import KINDS, REFERENCE, LossPlots, Under, nearest
from app.views.loss_reference import ReferenceLosses, divided
from app.views.loss_words import (
    ALIGNED,
    BY_EPOCH,
    HELP,
    LOSSES,
    OFF,
    CurveName,
    curve_names,
    moved,
    published_note,
    set_said,
    set_sentence,
    subtitle,
)
from app.views.phase_strip import PhaseStrip, outcome, rule
from app.views.thresholds import THE_RULE, RulePanel, ThresholdHandles
from engine.analysis.curves import Curve
from engine.analysis.progress_curves import LossAndProgress, loss_and_progress
from engine.analysis.published import Published, shifted
from engine.config import Config
from engine.runfile import Run

NATS, ACROSS_P = "(nats)", "/ ln p"
_Pair = tuple[Curve | None, Curve | None]
_BOTH, _MIRRORS = ("train", "test"), ("seen", "unseen")
_WITH_SHARE = (*_BOTH, *_MIRRORS)  # whose accuracy stands beside the loss
_MEASURED = ("restricted", "excluded", "excluded_all")


class LossView(TracedView):
    """How the losses, the progress measures and the accuracies went."""

    name = "loss"
    title = "Loss & progress"
    about = (
        "Loss and accuracy on the training and test pairs, and the progress measures, over training. "
        "Drag the cursor or click to scrub."
    )
    help = HELP
    draws_sketches = True

    def options(self) -> list[QWidget]:
        self._published = QComboBox()
        self._published.setObjectName("loss.published")
        self._published.setAccessibleName("The paper's published mainline")
        self._published.setToolTip("The paper's published mainline as dots: by epoch, or shifted so that t_gen agree")
        self._published.addItems([OFF, BY_EPOCH, ALIGNED])
        self._published.setVisible(False)
        self._thresholds = toggle("thresholds", "loss.thresholds", "Move the thresholds of the phases")
        self._mirrors = toggle(
            "mirror pairs", "loss.mirrors", "Test pairs whose mirror (b, a) was trained, and those whose was not"
        )
        self._accuracies = toggle(
            "accuracies", "loss.accuracies", "The accuracies of the restricted and excluded logits too"
        )
        self._family = Family.of(self.session)
        self._relatives = toggle(
            "family", "loss.family", "Losses and accuracies of related runs, thin, from where they are other runs",
            checked=True,
        )  # fmt: skip
        self._relatives.setVisible(False)
        self._family.changed.connect(self._take_family)
        self._second = toggle("reference", "loss.reference", "The curves of the reference, dashed", checked=True)
        self._second.setVisible(False)
        self._ratio = toggle("ratio", "loss.ratio", "Test loss divided by restricted loss (all pairs), without unit")
        self._every = toggle(
            "every epoch", "loss.every_epoch",
            "Show the losses of every epoch, which training takes over p + 1 logits; "
            "otherwise the checkpoints' own, over p logits",
        )  # fmt: skip
        self._log_x = toggle("log x", "loss.log_x", "Epochs on a logarithmic axis (epoch 0 at the left edge)")
        self._log_y = toggle("log y", "loss.log_y", "Loss on a logarithmic axis", checked=True)
        for button in (self._mirrors, self._accuracies, self._ratio, self._every, self._relatives, self._second):
            button.toggled.connect(lambda _: self.redraw())
        for button in (self._log_x, self._log_y):
            button.toggled.connect(self._rescale)
        self._published.currentIndexChanged.connect(lambda _: self.redraw())
        self._thresholds.toggled.connect(lambda _: self._show_thresholds())
        return [
            self._published, self._second, self._relatives, self._thresholds, self._mirrors, self._accuracies,
            self._ratio, self._every, self._log_x, self._log_y,
        ]  # fmt: skip

    # -- items ---------------------------------------------------------------------------------------------

    def build(self) -> QWidget:
        self._drawn: LossAndProgress | None = None
        self._state: tuple[Any, ...] = ()  # of the options, when the curves were drawn
        self._names: dict[str, CurveName] = {}
        self._on_show: dict[str, _Pair] = {}  # loss and accuracy, by the legend's names
        self._of: Run | None = None  # whose curves the axes were fitted to
        self._plots = LossPlots(self.session)
        for kind, plot in self._plots.plots.items():
            plot.pointed = partial(self._point_at, kind)
        self._strip = PhaseStrip(self._plots.loss)
        self._strip.setObjectName("loss.phases")
        self._handles, self._panel = ThresholdHandles(self._plots.accuracy), RulePanel()
        for part in (self._handles, self._panel):
            part.moved.connect(self._move_threshold)
        self._handles.reset.connect(lambda: self.session.select(thresholds=THE_RULE))
        self._legend = {name: self._entry(name) for name in LOSSES}
        self._kin: list[RelativeCurves] = []  # the relatives on offer
        self._kin_legend = [self._entry(f"relative.{place}") for place in range(MOST)]
        self._reference = ReferenceLosses(self.session, self.compute, self._plots, self)
        self._reference.changed.connect(self.renew)
        self.header.beside.toggled.connect(lambda _: self.redraw())
        for entry in self._reference.legend.values():
            entry.toggled.connect(lambda _: self.redraw())
        self._about_published = label("", "muted")
        self._about_published.setObjectName("loss.published.note")
        self._about_published.setStyleSheet(SMALL)
        self._about_published.setWordWrap(True)
        content = self._lay_out_content()
        for resized in (self._subtitle, content):
            resized.installEventFilter(self)
        self._arrange()
        self.restyle()
        return content

    def _entry(self, name: str) -> LegendEntry:
        entry = LegendEntry(f"loss.legend.{name}")
        entry.toggled.connect(lambda _: self.redraw())
        entry.setVisible(False)
        return entry

    def _lay_out_content(self) -> QWidget:
        self._room = content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        legend = Flow()
        for entry in (*self._legend.values(), *self._reference.widgets, *self._kin_legend):
            legend.addWidget(entry)
        column.addLayout(legend)
        column.addWidget(self._about_published)
        column.addSpacing(4)
        grid = QGridLayout()
        grid.setSpacing(0)
        grid.setVerticalSpacing(2)
        strips = QVBoxLayout()
        strips.setSpacing(0)
        strips.addWidget(self._strip)
        strips.addWidget(self._reference.strip)
        grid.addLayout(strips, 0, 0)
        grid.addWidget(self._plots.loss.widget, 1, 0)
        grid.addWidget(self._plots.accuracy.widget, 2, 0)
        grid.addWidget(self._panel, 0, 1, 2, 1)
        grid.addWidget(self._handles, 2, 1)
        grid.setRowStretch(1, 3)
        grid.setRowStretch(2, 1)
        column.addLayout(grid, 1)
        return content

    def restyle(self) -> None:
        self._handles.restyle()
        self._plots.restyle()
        self._strip.update()

    # -- asking and drawing --------------------------------------------------------------------------------

    def query(self, selection: Selection) -> Query:
        return self.traced(loss_and_progress, selection, selection.thresholds)

    def refresh(self, selection: Selection) -> None:
        """As every view; cursor and handles move even while curves are awaited."""
        if self.on_show:
            self.ensure_built()
            self._reference.ask(selection)
            if self._second.isHidden() == (selection.reference is not None):
                self._second.setVisible(selection.reference is not None)
                self.header.fit()
        super().refresh(selection)
        if self._content is not None:
            self._handles.show_values(selection.thresholds)
        if self.waiting and self._shown is not None and selection.run is self._of and selection.run is not None:
            self._plots.show_epoch(selection.epoch)

    def draw(self, answer: LossAndProgress, selection: Selection) -> None:
        state = self._options_now(selection)
        if answer is not self._drawn or state != self._state:
            self._drawn, self._state = answer, state
            self._draw_curves(answer, selection)
        self._write_values(selection.epoch)
        self._reference.write_values(selection)
        self._plots.show_epoch(selection.epoch)

    def _options_now(self, selection: Selection) -> tuple[Any, ...]:
        buttons = (
            self._mirrors, self._accuracies, self._ratio, self._every, self._log_x, self._log_y, self._relatives,
            self._second,
        )  # fmt: skip
        entries = (*self._legend.values(), *self._kin_legend, *self._reference.legend.values())
        return (
            *(button.isChecked() for button in buttons),
            *(entry.isChecked() for entry in entries), self._is_overlaid,
            id(self._family.members), self._family.shown,
            id(self._reference.answer), self._reference.comparison.time_map(selection),
            self._published.currentIndex(), selection.frequency, theme.current().name,
        )  # fmt: skip

    def _draw_curves(self, answer: LossAndProgress, selection: Selection) -> None:
        assert selection.run is not None
        config, progress = selection.run.config, answer.progress
        pinned = progress.pinned if progress is not None else None
        self._every.setEnabled(answer.loss.train_loss_all is not None)
        self._names = curve_names(config, progress, selection.frequency)
        unit = self._reference.units[0] if self._unit != NATS else 1.0
        self._plots.measure_in(self._unit)
        found = {name: self._curves_of(answer, name, selection.frequency) for name in LOSSES}
        self._on_show = {
            name: (pair[0] if name == "ratio" else divided(pair[0], unit), pair[1]) for name, pair in found.items()
        }
        self._plots.frequency_colour = theme.frequency_colour(selection.frequency or 0, pinned.keys if pinned else ())
        self._plots.dash(pinned is not None and not pinned.final)
        points = self._points(answer, float(config.epochs))
        for kind in KINDS:
            curves = self._chosen(kind)
            dots = {name: x for name, x in points.get(kind, {}).items() if name in curves}
            if kind == "loss":
                dots = {name: divided(x, unit if name != "ratio" else 1) or x for name, x in dots.items()}
            self._plots.show(kind, curves, dots)
        last = max(float(config.epochs), float(selection.run.epochs[selection.n_checkpoints - 1]))
        self._draw_relatives(last, unit, selection)
        self._draw_reference(last)
        self._name_entries(config)
        self._draw_phases(answer, selection)
        self._plots.limit(float(selection.run.epochs[selection.n_checkpoints - 1]), selection.run is not self._of)
        self._of = selection.run
        self.set_subtitle(subtitle(config, progress, self._every_epoch(answer)))

    def _take_family(self) -> None:
        """The run on show has relatives, or none, or others."""
        if self._relatives.isHidden() == bool(self._family.members):
            self._relatives.setVisible(bool(self._family.members))
            self.header.fit()
        if self._content is not None and self._shown is not None:
            self.redraw()

    def _draw_relatives(self, last: float, unit: float, selection: Selection) -> None:
        """As far as this run is to go; none beside the curves of a second run: two kinds of thin lines are too many."""
        second = selection.reference is not None and self._is_overlaid
        self._kin = relative_curves(self._family, last, unit) if self._relatives.isChecked() and not second else []
        roles = [role for role in ROLES if self._legend[role].isChecked()]
        for kind in KINDS:
            shown = [x if entry.isChecked() else None for x, entry in zip(self._kin, self._kin_legend, strict=False)]
            self._plots.show_relatives(kind, shown, roles)
        for place, entry in enumerate(self._kin_legend):
            entry.setVisible(place < len(self._kin))
            if place < len(self._kin):
                tip = f"<b>{escape(self._kin[place].name)}</b>, thin: {escape(self._kin[place].said)}."
                line = self._plots.loss.pen_of(f"relative {place} test")
                entry.name_it(self._kin[place].name, f"{tip}<br>The number is its test loss.", line)

    @property
    def _is_overlaid(self) -> bool:
        """Whether the reference's curves are drawn here; not where they stand beside."""
        return self._second.isChecked() and not self.header.beside.isChecked()

    @property
    def _unit(self) -> str:
        """Of losses, as it follows their name: across p they are divided by ln p."""
        return NATS if self._reference.units[0] == 1 or not self._is_overlaid else ACROSS_P

    def _draw_reference(self, last: float) -> None:
        """Dashed, as far as this run is to go."""
        measures = dict.fromkeys(_MEASURED, self._accuracies.isChecked())
        curves_of = partial(self._curves_of, frequency=None)
        self._reference.draw(curves_of, measures, self._is_overlaid, last)
        self._reference.name_entries({name: self._names[name].short for name in REFERENCE})

    def _curves_of(self, answer: LossAndProgress, name: str, frequency: int | None) -> _Pair:
        """Loss and accuracy by a name of the legend; None where it is not offered now."""
        progress, loss = answer.progress, answer.loss
        if name in _BOTH:
            every = getattr(loss, f"{name}_loss_all") if self._every_epoch(answer) else None
            return every or getattr(loss, f"{name}_loss"), getattr(loss, f"{name}_accuracy")
        if progress is None or (progress.no_basis and name not in _MIRRORS):
            return None, None
        if name == "each":
            return progress.each.get(frequency or 0), None
        if (name == "ratio" and not self._ratio.isChecked()) or (name in _MIRRORS and not self._mirrors.isChecked()):
            return None, None
        return getattr(progress, name), progress.accuracy.get(name)

    def _every_epoch(self, answer: LossAndProgress) -> bool:
        return self._every.isChecked() and answer.loss.train_loss_all is not None

    def _chosen(self, kind: str) -> dict[str, Curve]:
        """What a plot is to show, by the options and the legend."""
        hidden = _MEASURED if kind == "accuracy" and not self._accuracies.isChecked() else ()
        found = {name: pair[KINDS.index(kind)] for name, pair in self._on_show.items() if name not in hidden}
        return {name: x for name, x in found.items() if x is not None and self._legend[name].isChecked()}

    def _points(self, answer: LossAndProgress, last: float) -> dict[str, dict[str, Curve]]:
        """The published points as they are to stand, by the plots' names, as far as the run is to go."""
        published, how = answer.published, self._published.currentText()
        if self._published.isHidden() == (published is not None):
            self._published.setVisible(published is not None)
            self.header.fit()
        on = published is not None and how != OFF
        self._about_published.setVisible(on)
        if published is None or not on:
            return {}
        self._about_published.setText(self._say_published(answer, published))
        by = moved(published, how, self._t_gen(answer))
        return {kind: {name: shifted(x, by, last) for name, x in getattr(published, kind).items()} for kind in KINDS}

    def _say_published(self, answer: LossAndProgress, published: Published) -> str:
        pinned = answer.progress.pinned if answer.progress is not None else None
        return published_note(published, self._published.currentText(), self._t_gen(answer), pinned)

    def _draw_phases(self, answer: LossAndProgress, selection: Selection) -> None:
        progress, config = answer.progress, selection.run.config if selection.run is not None else None
        found = None if progress is None else progress.phases
        decays = config is None or config.weight_decay > 0
        in_force = rule(selection.thresholds, decays)
        spans = self._plots.show_phases(found, 0.0 if progress is None else progress.last)
        self._strip.show_phases(spans, found, in_force)
        self._panel.show_rule(selection.thresholds, found, in_force, decays)
        formula = f"{self.help.formula}<br>Phases: {escape(in_force)}"
        self.header.set_help(help_text(self.title, replace(self.help, formula=formula)))

    def _name_entries(self, config: Config) -> None:
        """Texts, tips and samples of the legend."""
        every = self._drawn is not None and self._every_epoch(self._drawn)
        for name, entry in self._legend.items():
            loss, said = self._on_show[name][0], self._names[name]
            missing = name == "test" and not config.n_test
            entry.setVisible(loss is not None or missing)
            text = "no test pairs" if missing else self._short(name)
            tip = f"<b>{said.full}</b><br>{said.tip}<br>Click to hide or show."
            entry.reserve(f"{'≈' * (every and name in _BOTH)}{VALUE_ROOM}", share(1.0) * (name in _WITH_SHARE))
            entry.name_it(text, tip, self._plots.loss.pen_of(name))

    def _short(self, name: str) -> str:
        """The legend's name; restricted loss names the key set itself where the header has no room for it."""
        said = self._names[name]
        if name != "restricted" or self._drawn is None or self._drawn.progress is None:
            return said.short
        of_set = self._subtitle.fontMetrics().horizontalAdvance(set_said(self._drawn.progress.pinned))
        width = self._legend[name].width_with(said.full)
        return said.full if of_set > self._subtitle.width() and width <= self._room.width() else said.short

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self._content is not None and self._of is not None:
            self._name_entries(self._of.config)
        return False

    def _write_values(self, epoch: int) -> None:
        """The values at the cursor's epoch."""
        for relative, entry in zip(self._kin, self._kin_legend, strict=False):
            curve = relative.loss.get("test") or relative.loss["train"]
            i, exact = nearest(curve, epoch)
            known = curve.epochs[0] <= epoch <= curve.epochs[-1]
            entry.say(f"{'≈' * (not exact)}{value_text(float(curve.values[i]))}" if known else "")
        for name, entry in self._legend.items():
            loss, accuracy = self._on_show[name]
            if loss is None:
                entry.say("")
                continue
            i, exact = nearest(loss, epoch)
            text = value_text(float(loss.values[i]))
            if not exact:  # thinned, or not measured yet
                text = f"≈{text}" if name in _BOTH else "…"
            after = ""
            if accuracy is not None and name in _WITH_SHARE:
                i, exact = nearest(accuracy, epoch)
                after = share(float(accuracy.values[i])) if exact else ""
            entry.say(text, after)

    # -- options and the pointer ---------------------------------------------------------------------------

    def _rescale(self) -> None:
        self.ensure_built()
        self._plots.set_scales(self._log_x.isChecked(), self._log_y.isChecked())
        self.redraw()
        self._strip.update()

    def _show_thresholds(self) -> None:
        if self._content is not None:
            self._arrange()

    def _arrange(self) -> None:
        self._strip.tell_outcome(not self._thresholds.isChecked())
        self._handles.set_shown(self._thresholds.isChecked())
        self._panel.setVisible(self._thresholds.isChecked())

    def _move_threshold(self, name: str, value: float) -> None:
        self.session.select(thresholds=replace(self.session.selection.thresholds, **{name: value}))

    def _t_gen(self, answer: LossAndProgress) -> int | None:
        found = None if answer.progress is None else answer.progress.phases
        return None if found is None else found.t_gen

    def _point_at(self, kind: str, at: tuple[float, float] | None) -> None:
        """Read out the checkpoint nearest to the pointer, the curve nearest to it first."""
        found = [] if at is None or self._drawn is None else self._plots.under(kind, *at)
        there = next((point.epoch for point in found if not (point.published or point.reference)), None)
        if there is None:
            self.read_out("")
            return
        words = [self._said(kind, point) for point in found] + [self._strip.phase_at(there)]
        self.read_out(f"epoch {epoch_text(there)}: {' · '.join(word for word in words if word)}")

    def _said(self, kind: str, point: Under) -> str:
        value = f"{100 * point.value:.1f} %" if kind == "accuracy" else value_text(point.value)
        unit = "" if kind == "accuracy" or point.name == "ratio" else " nats" if self._unit == NATS else " ln p"
        of = self.session.selection.reference
        if point.reference and of is not None:
            there = self._reference.comparison.there(self.session.selection, point.epoch) or 0.0
            return f"{of.path.stem} {self._names[point.name].short} {value}{unit} (its epoch {epoch_text(there)})"
        if not point.published:
            return f"{self._names[point.name].short} {value}{unit}"
        answer = self._drawn
        assert answer is not None
        assert answer.published is not None
        by = moved(answer.published, self._published.currentText(), self._t_gen(answer))
        return f"published {point.name.replace('_', ' ')} {value}{unit} (its epoch {epoch_text(point.epoch - by)})"

    # -- export --------------------------------------------------------------------------------------------

    def tables(self, answer: LossAndProgress, selection: Selection) -> list[Table]:
        """What is drawn, a table each for losses, accuracies and published points."""
        made = []
        for kind, unit in zip(KINDS, (f" {self._unit}", " (share right)"), strict=True):
            for published in (False, True):
                curves = {
                    f"{f'published {name}' if published else self._names[name].full}{unit * (name != 'ratio')}": curve
                    for name, curve in self._plots.drawn(kind, published).items()
                }
                if curves:
                    made.append(_table(f"published-{kind}" if published else kind, curves))
            kin = {f"{x.name}: {role}{unit}": curve for x in self._kin for role, curve in x.of(kind).items()}
            if kin:
                made.append(_table(f"family-{kind}", kin))
            second = {f"{name}{unit}": x for name, x in self._reference.own(kind).items()}
            made += [_table(f"reference-{kind}", second)] if second else []
        return made

    def describe(self, answer: LossAndProgress, selection: Selection) -> str:
        assert selection.run is not None
        config, progress = selection.run.config, answer.progress
        logits = f"{config.p} logits"
        if self._every_epoch(answer):
            logits = f"{config.p + 1} logits (train, test) and {config.p} (measures)"
        drawn = [self._names[name].full for name in self._plots.drawn("loss")]
        nats = self._unit if self._unit == NATS else "divided by ln p"
        said = [f"Mean cross-entropy {nats} over {logits}, and accuracy, over training: {'; '.join(drawn)}."]
        said.append(set_sentence(progress))
        if progress is not None and progress.phases is not None:
            decays = config.weight_decay > 0
            said.append(f"Phases: {outcome(progress.phases)}. {rule(selection.thresholds, decays)}")
        if self._kin:
            said.append(f"Thin, over {config.p} logits: {'; '.join(f'{x.name} ({x.said})' for x in self._kin)}.")
        if answer.published is not None and self._published.currentText() != OFF:
            said.append(self._say_published(answer, answer.published))
        said.append(self._reference.describe())
        return " ".join(part for part in said if part)


def _table(name: str, curves: dict[str, Curve]) -> Table:
    """Curves in columns; an empty cell where one has no point."""
    epochs = np.unique(np.concatenate([curve.epochs for curve in curves.values()]))
    columns: dict[str, Any] = {"epoch": epochs.astype(np.int64) if np.all(epochs == epochs.astype(int)) else epochs}
    for header, curve in curves.items():
        columns[header] = np.full(len(epochs), np.nan)
        columns[header][np.searchsorted(epochs, curve.epochs)] = curve.values
    return Table(name, columns)
