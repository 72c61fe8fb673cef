"""What the heads look at: patterns, scores, their one cosine, and their lives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QWidget

from app import theme
from app.compute import Query
from app.export import Table
from app.numbers import epoch_text, number
from app.session import HeadId, Selection
from app.views.attention_page import AttentionPage
from app.views.attention_tables import coefficients_table, heads_table, lives_table, losses_table, pattern_table
from app.views.attention_words import SEEN, explained, losses, percent, rows, sentence
from app.views.base import TracedView
from app.views.controls import toggle
from app.views.head_lives import Lives
from app.views.head_spectrum import CAPTIONS, TIPS, choice
from app.views.head_tiles import Tile
from app.views.help import Help
from app.views.maps import SEQUENTIAL, SIGNED, table_of
from app.views.sentence import keys_text
from app.views.still import tip
from engine.analysis.attention_replaced import COSINE, HOWS, Replaced, replaced
from engine.analysis.heads import LATER_LAYER, HeadPicture, head_picture
from engine.analysis.wall import unwrapping

Ints = NDArray[np.int64]
PATTERN, SCORE = "pattern", "score"
_LIVES_MS = 120  # between two looks at the lives while they come in


class AttentionView(TracedView):
    """Patterns of a layer's heads, one of them large beside its fit, its spectrum, a table, and all their lives."""

    name = "attention"
    title = "Attention"
    about = (
        "Attention of every head from = to a, b and = for every pair, the one cosine that it follows, and its life "
        "over training (paper, fig. 4a, fig. 8, table 2). Click a head, its frequency, or a cell."
    )
    help = Help(
        see="Small: each head of a layer, attention from = for every pair (a down, b across), axes unwrapped by the "
        "head’s frequency. Large: the head on show beside its fit. Bars: C<sub>j</sub>, what its scores are made of, "
        "cosine and sine of each frequency. Below: the table of heads, and their lives, a band as high as the share of "
        "C<sub>j</sub> in the frequency’s colour, and a line for how much of the pattern the fit explains.",
        look_for="After grokking each head follows one key frequency, or a mixture of two: on the paper’s mainline 35, "
        "42, 52, 42 with 98 to 99 % of C<sub>j</sub>. The attention to = is a few tenths of a percent, so the softmax "
        "is a sigmoid of one difference; a line in its place even improves the loss (2.4e-7 to 2.1e-7). Heads of one k "
        "with opposite phases share the attention out: together they pass W<sub>E</sub> on. A head whose OV is nearly "
        "all at its k computes a degree-2 polynomial. Heads settle late: on the mainline some change their frequency "
        "thousands of epochs after the model generalises.",
        wrong="A fit that explains little (—: less than the mean): saturated attention, as while memorising, or "
        "several frequencies at once; then single cosines ruin the loss although the line does not. k is the best "
        "frequency even where its share is small: read the share. Natural order hides waves finer than the pixels.",
        formula="score<sub>j</sub>(a) = x<sub>a</sub>·W<sub>K</sub>W<sub>Q</sub><sup>T</sup>·x<sub>=</sub> / "
        "√d<sub>head</sub>; C<sub>j</sub> = F W<sub>E</sub>W<sub>K</sub>W<sub>Q</sub><sup>T</sup>x<sub>=</sub>; share "
        "of k: of its power but for the constant. Fit: to a 0.5 + C (cos w(a + θ) − cos w(b + θ)), to b 1 less that, "
        "to = nothing, least squares over all pairs. Line: 0.5 + β (score of a − score of b). OV: share of k in the "
        "power of F W<sub>E</sub>W<sub>V</sub>W<sub>O</sub>.",
        paper="Figure 4a (pattern), appendix C.1: figure 8 (C<sub>j</sub>), table 2 (frequency and share), C.1.2 (what "
        "heads compute), C.1.3 (the cosine, the line and its loss).",
    )

    def options(self) -> list[QWidget]:
        self._what = _box("attention.what", "Pattern or score", {
            PATTERN: "Attention, after the softmax",
            SCORE: "Score, before the softmax: in the first layer of one token, later its mean over the other one",
        })  # fmt: skip
        self._target = _box("attention.target", "Attention to which token", {
            "to a": "From = to a", "to b": "From = to b", "to =": "From = to itself",
        })  # fmt: skip
        self._spectrum = _box("attention.spectrum", "Spectrum of what", TIPS)
        self._layer = _box("attention.layer", "Layer", {})
        self._layer.setVisible(False)
        self._natural = toggle("natural order", "attention.natural", "Axes in natural order instead of k·a mod p")
        self._hold = toggle(
            "hold", "attention.hold",
            "Hold colours and axes for the whole run; otherwise each checkpoint has its own", checked=True,
        )  # fmt: skip
        for box in (self._what, self._target, self._spectrum):
            box.currentIndexChanged.connect(self._option_changed)
        self._layer.activated.connect(self._choose_layer)
        for button in (self._natural, self._hold):
            button.toggled.connect(self._option_changed)
        return [self._layer, self._what, self._target, self._spectrum, self._natural, self._hold]

    def build(self) -> QWidget:
        self._page = page = AttentionPage()
        self._drawn: tuple[Any, ...] = ()
        self._tiles: tuple[tuple[Any, ...], list[NDArray[np.uint8]]] = ((), [])
        self._coloured: tuple[tuple[Any, ...], list[QColor]] = ((), [])
        self._known: dict[Query, Any] = {}
        self._known_for: tuple[Any, ...] = ()
        self._lives = Lives(self.compute, self)
        self._lives_timer = QTimer(self)
        self._lives_timer.setSingleShot(True)
        self._lives_timer.timeout.connect(self._draw_lives)
        self._lives.changed.connect(self._lives_changed)
        page.arranged.connect(self._option_changed)
        for teller in (page.tiles, page.table, page.strip):
            teller.head_clicked.connect(self._choose_head)
        for chooser in (page.tiles, page.table):
            chooser.frequency_clicked.connect(self._choose_frequency)
        page.tiles.hovered.connect(self._tile_hovered)
        for shown in (page.map, page.fit_map):
            shown.hovered.connect(self._map_hovered)
            shown.clicked.connect(self._pair_clicked)
        page.spectrum.clicked.connect(self._choose_frequency)
        page.spectrum.hovered.connect(self.read_out)
        page.strip.wanted.connect(self.session.scrub)
        page.strip.hovered.connect(self._strip_hovered)
        self.restyle()
        return page

    # -- what is asked -------------------------------------------------------------------------------------

    def query(self, selection: Selection) -> Query:
        layer = head_of(selection)[0]
        scores = layer > 0 and self._what.currentText() == SCORE
        return Query(head_picture, (selection.run, selection.step, selection.layout_step, layer, scores))

    def exact(self, selection: Selection) -> Query | None:
        """One after the other, so that none holds up a finger: a later layer in float64, the simpler patterns."""
        run, picture = selection.run, self.query(selection)
        if run is None:
            return None
        wanted = [] if head_of(selection)[0] == 0 else [Query(head_picture, (*picture.args, True))]
        if run.config.n_layers == 1 and self.answer is not None:
            hows = [how for how in HOWS if how != COSINE or self.answer.basis is not None]
            wanted += [Query(replaced, (run, selection.step, how)) for how in hows]
        if self._known_for != picture.args[:4]:
            self._known_for, self._known = picture.args[:4], {}
        return next((query for query in wanted if query not in self._known), None)

    def write(self, numbers: Any, selection: Selection) -> None:
        if self._exact is None:
            return
        self._known[self._exact] = numbers
        self._write_numbers(selection)
        self._want_exact(selection)

    @property
    def _exact_picture(self) -> HeadPicture:
        """The one that numbers are printed of."""
        found = (x for x in self._known.values() if isinstance(x, HeadPicture))
        return next(found, self.answer)

    @property
    def losses(self) -> dict[str, Replaced]:
        """Of the simpler patterns, as far as they are known."""
        return {x.how: x for x in self._known.values() if isinstance(x, Replaced)}

    @property
    def _keys(self) -> tuple[int, ...]:
        pinned = self.tracing.pinned if self.tracing.run is self.session.selection.run else None
        return () if pinned is None else pinned.keys

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: HeadPicture, selection: Selection) -> None:
        page, head = self._page, head_of(selection)[1]
        self._fill_layers(answer, selection)
        fitted = self._fitted(answer, head) is not None and self._target.currentIndex() < 2  # to = it says nothing
        lives = answer.basis is not None and not answer.layer
        page.show_heads(answer.n_heads, fitted, answer.basis is not None, lives)
        keys, look = self._keys, theme.current().name
        state = (answer, head, selection.frequency, keys, look)
        if not self._drawn or self._drawn[0] is not answer or self._drawn[1:] != state[1:]:
            self._drawn = state
            self._draw_maps(answer, head)
            self._draw_spectrum(answer, head, selection)
        self._mark(answer, head, selection)
        self._write_numbers(selection)
        pinned = self.tracing.pinned if self.tracing.run is selection.run else None
        self.set_subtitle(self._about_order(answer) + self._about_layer(answer) + keys_text(pinned, keys))
        self._draw_lives()

    def _fill_layers(self, answer: HeadPicture, selection: Selection) -> None:
        layers = answer.config.n_layers
        if self._layer.count() != layers:
            self._layer.clear()
            self._layer.addItems([f"layer {i}" for i in range(layers)])
            self._layer.setVisible(layers > 1)
            self.header.fit()
        self._layer.setCurrentIndex(head_of(selection)[0])

    def _about_layer(self, answer: HeadPicture) -> str:
        if answer.config.n_layers == 1:
            return ""
        means = (
            ", scores are means over the other operand" if answer.layer and self._what.currentText() == SCORE else ""
        )
        return f"layer {answer.layer}, read at ={means} · "

    def _about_order(self, answer: HeadPicture) -> str:
        """What tiles in natural order cannot show."""
        side = round(self._page.tiles.side * self.devicePixelRatioF())
        if not self._is_natural(answer) or not self._page.tiles.isVisibleTo(self._page) or side >= answer.config.p:
            return ""
        return f"⚠ natural order: {side} pixels show no k above {side // 2} · "

    def _limits(self, answer: HeadPicture) -> tuple[float, float]:
        """Values of the first and the last colour."""
        target, held = self._target.currentIndex(), self._hold.isChecked()
        if self._what.currentText() == SCORE:
            own = max((float(np.abs(self._values(answer, h)).max()) for h in range(answer.n_heads)), default=0.0)
            top = answer.score_limit if held else own or 1.0
            return -top, top
        if held:
            return 0.0, answer.equals_limit if target == 2 else 1.0
        return 0.0, max(float(self._values(answer, h).max()) for h in range(answer.n_heads)) or 1.0

    def _values(self, answer: HeadPicture, head: int) -> NDArray[Any]:
        target = self._target.currentIndex()
        score = self._what.currentText() == SCORE and answer.scores is not None
        return answer.score(head, target) if score else answer.pattern(head, target)

    def _fitted(self, answer: HeadPicture, head: int) -> NDArray[Any] | None:
        target = self._target.currentIndex()
        score = self._what.currentText() == SCORE
        return answer.fitted_score(head, target) if score else answer.fitted_pattern(head, target)

    def _draw_maps(self, answer: HeadPicture, head: int) -> None:
        page = self._page
        low, high = self._limits(answer)
        colours = SIGNED if self._what.currentText() == SCORE else SEQUENTIAL
        order, axis = self._order(answer, head), self._axis(answer, head)
        square = np.ix_(order, order)
        for shown, values in ((page.map, self._values(answer, head)), (page.fit_map, self._fitted(answer, head))):
            if shown.isVisibleTo(page) and values is not None:
                shown.set_colours(colours)
                shown.show_values(values[square], low, high)
                shown.name_axes(axis.format("a"), axis.format("b"))
        self._name_maps(answer, head, high)
        if page.tiles.isVisibleTo(page):
            self._quantize(answer, low, high)

    def _name_maps(self, answer: HeadPicture, head: int, high: float) -> None:
        page, to = self._page, self._target.currentText()
        score = self._what.currentText() == SCORE
        bar = any(shown.bar.isVisibleTo(page) for shown in (page.map, page.fit_map))
        scale = "" if bar else f", {'±' if score else '0 to '}{number(high)}"
        page.map_caption.setText(
            f"{'score of' if score else 'attention'} {to.removeprefix('to ') if score else to}{scale}"
        )
        page.fit_caption.setText("one cosine" if score else f"one cosine, {explained(answer, head)}")

    def _quantize(self, answer: HeadPicture, low: float, high: float) -> None:
        """The tiles' bytes; the same as long as nothing that decides them changes."""
        made = []
        for head in range(answer.n_heads):
            order = self._order(answer, head)
            values = self._values(answer, head)[np.ix_(order, order)]
            made.append(np.clip((values - low) * (255 / (high - low)), 0, 255).astype(np.uint8))
        self._tiles = (self._drawn, made)

    def _mark(self, answer: HeadPicture, head: int, selection: Selection) -> None:
        """The selected pair in every map."""
        page = self._page
        cell = _cell(self._order(answer, head), selection.pair)
        for shown in (page.map, page.fit_map):
            shown.mark(cell)
        if page.tiles.isVisibleTo(page) and self._tiles[0] is self._drawn:
            tiles = [
                Tile(values, k, self._colour(k), said, _cell(self._order(answer, h), selection.pair))
                for h, (values, k, said) in enumerate(zip(self._tiles[1], *self._captions(answer), strict=True))
            ]
            page.tiles.show_tiles(tiles, head, table_of(SIGNED if self._what.currentText() == SCORE else SEQUENTIAL))

    @staticmethod
    def _captions(answer: HeadPicture) -> tuple[list[int], list[str]]:
        """Each head's frequency, and its share; in a later layer what its fit explains."""
        ks = answer.frequency.tolist()
        if answer.share is not None:
            return ks, [percent(float(answer.share[h, k - 1]), 0) if k else "" for h, k in enumerate(ks)]
        return ks, [f"fit {explained(answer, h)}" for h in range(len(ks))]

    def _draw_spectrum(self, answer: HeadPicture, head: int, selection: Selection) -> None:
        page, what = self._page, self._spectrum.currentText()
        if not page.spectrum.widget.isVisibleTo(page):
            return
        n = 0 if answer.basis is None else answer.basis.n // 2
        key = (n, self._keys, selection.frequency, theme.current().name)
        if self._coloured[0] != key:  # the same colours again cost least
            self._coloured = key, [self._colour(k) for k in range(1, n + 1)]
        page.spectrum.show_head(answer, head, what, self._coloured[1], self._hold.isChecked())
        page.spectrum.mark(selection.frequency)
        page.bars_caption.setText(CAPTIONS[choice(answer, what)])

    def _write_numbers(self, selection: Selection) -> None:
        """Table and sentences."""
        page, x, head = self._page, self._exact_picture, head_of(selection)[1]
        page.sentence.say(*sentence(x, head))
        page.losses.say(*losses(self.losses, x))
        tip(page.sentence, page.sentence.text())
        tip(page.losses, page.losses.text())
        if page.table.isVisibleTo(page):
            page.table.show_rows(rows(x, self._colour), head)

    def _lives_changed(self) -> None:
        """All of them at once; parts now and then."""
        if self._lives.complete:
            self._lives_timer.stop()
            self._draw_lives()
        elif not self._lives_timer.isActive():
            self._lives_timer.start(_LIVES_MS)

    def _draw_lives(self) -> None:
        selection, page = self.session.selection, self._page
        run, answer = selection.run, self.answer
        if run is None or answer is None or not selection.n_checkpoints or not page.strip.isVisibleTo(page):
            return
        self._lives.look_at(run, selection.n_checkpoints)
        trouble = LATER_LAYER if answer.layer else self._lives.trouble
        epochs = run.epochs[: selection.n_checkpoints]
        head = head_of(selection)[1]
        page.strip.show_lives(
            self._lives.known, trouble, epochs, answer.n_heads, head, selection.step, self._colour_of_life
        )

    def _colour(self, k: int) -> QColor:
        keys = self._keys
        if k and k == self.session.selection.frequency and k not in keys:
            return QColor(theme.current().accent)
        return theme.frequency_colour(k, keys)

    def _colour_of_life(self, k: int) -> QColor:
        return theme.frequency_colour(k, self._keys)

    def _is_natural(self, answer: HeadPicture) -> bool:
        return self._natural.isChecked() or answer.basis is None

    def _order(self, answer: HeadPicture, head: int) -> Ints:
        """Residues from left to right: all in natural order, those of the cycle unwrapped."""
        if self._is_natural(answer) or answer.basis is None:
            return np.arange(answer.config.p)
        ordered: Ints = answer.basis.elements[unwrapping(answer.basis.n, int(answer.settled[head]))]
        return ordered

    def _axis(self, answer: HeadPicture, head: int) -> str:
        if self._is_natural(answer) or answer.basis is None:
            return "{}"
        log, k = "" if answer.basis.generator is None else "log ", int(answer.settled[head])
        return f"{k}·{log}{{}} mod {answer.basis.n}" if k else f"{log}{{}}"

    def restyle(self) -> None:
        self._page.restyle()
        self._drawn = ()

    def _option_changed(self) -> None:
        if self._content is not None:
            self._drawn = ()
            self.redraw()

    # -- clicks --------------------------------------------------------------------------------------------

    def _choose_head(self, head: int) -> None:
        self.session.select(head=(head_of(self.session.selection)[0], head))

    def _choose_layer(self, layer: int) -> None:
        self.session.select(head=(layer, head_of(self.session.selection)[1]))

    def _choose_frequency(self, k: int) -> None:
        self.session.select(frequency=None if k == self.session.selection.frequency else k)

    def _pair_clicked(self, row: int, column: int) -> None:
        order = self._order(self.answer, head_of(self.session.selection)[1])
        pair = (int(order[row]), int(order[column]))
        self.session.select(pair=None if pair == self.session.selection.pair else pair)

    # -- values under the pointer --------------------------------------------------------------------------

    def _value_text(self, answer: HeadPicture, head: int, cell: tuple[int, int]) -> str:
        order = self._order(answer, head)
        a, b = int(order[cell[0]]), int(order[cell[1]])
        own, fitted = self._values(answer, head)[a, b], self._fitted(answer, head)
        what = "score of " if self._what.currentText() == SCORE else "to "
        text = f"a = {a}, b = {b} · {what}{SEEN[self._target.currentIndex()]} {own:.4g}"
        if fitted is not None and np.isfinite(fitted[a, b]):
            text += f" · fit {fitted[a, b]:.4g}"
        return text.replace("-", "−")

    def _map_hovered(self, cell: tuple[int, int] | None) -> None:
        answer: HeadPicture | None = self.answer
        head = head_of(self.session.selection)[1]
        self.read_out("" if cell is None or answer is None else self._value_text(answer, head, cell))

    def _tile_hovered(self, at: tuple[int, int, int] | None) -> None:
        answer: HeadPicture | None = self.answer
        if at is None or answer is None:
            self.read_out("")
        else:
            self.read_out(f"head {at[0]} · {self._value_text(answer, at[0], at[1:])}")

    def _strip_hovered(self, at: tuple[int, int] | None) -> None:
        run, known = self.session.selection.run, self._lives.known
        if at is None or run is None:
            self.read_out("")
            return
        head, step = at
        epoch = int(run.epochs[step])
        where = np.flatnonzero(known.epochs == epoch)
        said = "…"
        if len(where):
            i = where[0]
            fit = float(known.explained[i, head])
            fits = f"fit {percent(fit)}" if fit > 0 else "no fit"
            said = f"k = {known.frequency[i, head]}, {percent(float(known.share[i, head]))} of Cⱼ · {fits}"
        self.read_out(f"epoch {epoch_text(epoch)} · head {head} · {said}")

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: HeadPicture, selection: Selection) -> list[Table]:
        x, head = self._exact_picture, head_of(selection)[1]
        found = [heads_table(x), pattern_table(x, head), *coefficients_table(x)]
        lives = [] if answer.layer else lives_table(self._lives.known)
        return [*found, *lives, *losses_table(self.losses)]

    def describe(self, answer: HeadPicture, selection: Selection) -> str:
        x, head = self._exact_picture, head_of(selection)[1]
        axes = self._axis(answer, head).format("a")
        what = "Score, before the softmax," if self._what.currentText() == SCORE else "Attention"
        target = self._target.currentText()
        parts = (
            f"{what} of the heads of layer {answer.layer} from = {target} at epoch {epoch_text(selection.epoch)}, over "
            f"all pairs (a down, b across; axes of head {head}: {axes}); its best cosine; the table of heads.",
            f"{sentence(x, head)[0]}.",
            f"{losses(self.losses, x)[0]}." if self.losses else "",
            f"{keys_text(self.tracing.pinned, self._keys).capitalize()}.",
        )
        return " ".join(part for part in parts if part)


def head_of(selection: Selection) -> HeadId:
    """The one on show: the selected head; without one the first."""
    return selection.head or (0, 0)


def _cell(order: Ints, pair: tuple[int, int] | None) -> tuple[int, int] | None:
    """Row and column of a pair; None where it is left out."""
    if pair is None:
        return None
    row, column = (np.flatnonzero(order == x) for x in pair)
    return (int(row[0]), int(column[0])) if len(row) and len(column) else None


def _box(name: str, what: str, tips: dict[str, str]) -> QComboBox:
    """A box with a tip for every entry."""
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(what)
    box.setToolTip("\n".join([what, *(f"{text}: {said}" for text, said in tips.items())]))
    for text, said in tips.items():
        box.addItem(text)
        box.setItemData(box.count() - 1, said, Qt.ItemDataRole.ToolTipRole)
    return box
