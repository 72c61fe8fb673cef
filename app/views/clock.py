"""The algorithm on one pair: hands that turn, angles that add, cosines that agree at one output only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QPaintEvent, QPalette, QResizeEvent, QStaticText, QTextDocumentFragment
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSpinBox, QToolButton, QVBoxLayout, QWidget

from app.compute import Compute, Query
from app.export import Table
from app.session import Selection, Session
from app.views.base import View
from app.views.circles import keys_text, known_set
from app.views.clock_canvas import ClockCanvas
from app.views.clock_painting import Hit, Picture, percent
from app.views.clock_words import (
    STAGES,
    Words,
    caption,
    faces,
    nearest_token,
    operator_of,
    read,
    sentence,
    subtitle,
    verdict,
)
from app.views.controls import label, toggle
from app.views.help import Help
from app.views.plots import epoch_text
from app.views.still import QuietLabel, on_panel, stand_on_panel, tip
from engine.analysis.characters import NoBasis, characters
from engine.analysis.clock import Clock, clock
from engine.tasks import TASKS

TIPS = (
    "Tokens become angles: the hands of a and b",
    "The angles add: the hand of the answer",
    "Each output's cosine to that hand",
    "The weighted cosines, added up, beside the model's logits",
)
_WIDE = 430  # pixels from which the equation names its modulus
_LOW = 330  # pixels of height below which words are few


class ClockView(View):
    """The clocks of the selected pair, and what they add up to beside the model's logits."""

    name = "clock"
    title = "The clock"
    about = (
        "The algorithm on one pair: each key frequency is a clock whose hands turn to a and b; the angles add, and "
        "only the right answer makes all cosines 1. Drag a hand, or set a and b."
    )
    help = Help(
        see="One clock a key frequency <i>k</i>. Thin hands: where <i>a</i> (solid) and <i>b</i> (dashed) stand by "
        "definition, <i>k·a</i> and <i>k·b</i> of <i>p</i> ticks from the top; thick: their sum. Rings are the model’s "
        "own: its rows of W<sub>E</sub> in the plane of <i>k</i> (a hand’s length is the circle’s radius at the last "
        "checkpoint); the disc is the wave <i>k</i> in its logits of this pair. Below, each output <i>c</i>: "
        "cos <i>w<sub>k</sub></i>(<i>a</i>+<i>b</i>−<i>c</i>), faint, and weighted by the model’s α<sub>k</sub>, "
        "solid; their sum as bars, the model’s logits as points.",
        look_for="One column in which every row is at its top: the right answer. One clock alone leaves many near "
        "misses; five leave none. Scrub: the hands stand still, for they are the definition, and the model’s rings "
        "move from noise to the tips of the hands, while the points below settle on the bars (97 % of a pair’s logits "
        "at the end of the paper’s mainline, none at epoch 1400).",
        wrong="A pair answered rightly while rings and points are far from hands and bars is memorised, not computed: "
        "look at “training pair” above. Points that stay far from the bars at the end mean that the model does "
        "something else, or that a key frequency is missing.",
        formula="<i>w<sub>k</sub></i> = 2π<i>k/p</i>; logit(<i>c</i>) ≈ Σ<sub><i>k</i></sub> α<sub><i>k</i></sub> "
        "cos <i>w<sub>k</sub></i>(<i>a</i>+<i>b</i>−<i>c</i>), α<sub>k</sub> by least squares over all pairs. "
        "Explained: of the variance of this pair’s logits over <i>c</i>. For a − b the hand turns back; for a · b and "
        "a / b the hands stand at logarithms, and zero has none.",
        paper="Section 4.2 and figure 1 (the algorithm); α: “logits are well approximated by …”.",
    )

    def __init__(self, session: Session, compute: Compute) -> None:
        self._numbers: tuple[Query | None, Clock | None] = (None, None)
        super().__init__(session, compute)
        self.tracing.grew.connect(self.renew)

    def options(self) -> list[QWidget]:
        self._stages = [
            toggle(f"{i} {name}".replace("&", "&&"), f"clock.stage{i}", tip)
            for i, (name, tip) in enumerate(zip(STAGES, TIPS, strict=True), start=1)
        ]
        for button in self._stages:
            button.clicked.connect(lambda on, button=button: self._set_stage(button if on else None))
        return list(self._stages)

    def build(self) -> QWidget:
        self._canvas = ClockCanvas()
        self._canvas.hovered.connect(self._hovered)
        self._canvas.frequency_clicked.connect(self._choose_frequency)
        self._canvas.dragged.connect(self._turn)
        self._canvas.stepped.connect(self._step)
        self._equals = ("", "")
        self._page = _Page(self._equation(), self._canvas)
        self._page.resized.connect(self._fit_equation)
        return self._page

    def _equation(self) -> QHBoxLayout:
        """a ∘ b = answer, to be set here, and what the model says."""
        row = QHBoxLayout()
        row.setSpacing(6)
        self._a, self._b = _operand("a"), _operand("b")
        self._operator, self._answer, self._says = label("", "title"), label("", "title"), _Fitting("")
        self._says.setProperty("role", "muted")
        self._says.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._answer.setObjectName("clock.answer")
        self._says.setObjectName("clock.says")
        for box in (self._a, self._b):
            box.valueChanged.connect(self._set_pair)
        for widget in (self._a, self._operator, self._b, self._answer):
            row.addWidget(widget)
        row.addSpacing(4)
        row.addWidget(self._says, 1)
        return row

    def query(self, selection: Selection) -> Query:
        return Query(clock, self._args(selection))

    def exact(self, selection: Selection) -> Query | None:
        return None if selection.run is None else Query(clock, (*self._args(selection), True))

    def _args(self, selection: Selection) -> tuple[Any, ...]:
        return (
            selection.run,
            selection.step,
            selection.layout_step,
            selection.n_checkpoints,
            selection.pair,
            selection.pinned_keys,
            known_set(self.tracing, selection),
        )

    def draw(self, answer: Clock, selection: Selection) -> None:
        assert selection.run is not None
        config = selection.run.config
        if not has_basis(selection):
            self.set_subtitle("no basis")
            self._say(answer.no_clock)
            return
        known = self._known(selection)
        symbol = TASKS[config.operation].symbol
        shown = faces(answer, selection.frequency)
        stage = next((i for i, button in enumerate(self._stages, start=1) if button.isChecked()), 0)
        self._canvas.show_picture(Picture(answer, known, shown, selection.frequency, symbol, stage))
        self._tell_equation(answer, known, symbol, config.p)
        self._page.caption.say(caption(answer, known, stage, symbol, selection.frequency))
        self.set_subtitle(subtitle(answer, shown))
        if answer.dial is not None:
            heard = f"{answer.pair[0]} and {answer.pair[1]}: right {answer.answer}, the model says {answer.said}"
            self._canvas.setAccessibleDescription(heard)

    def write(self, numbers: Clock, selection: Selection) -> None:
        self._numbers = (self.exact(selection), numbers)
        if self.answer is not None and not self.waiting:
            self.draw(self.answer, selection)

    def _known(self, selection: Selection) -> Clock | None:
        """The same in float64, once it is there."""
        return self._numbers[1] if self._numbers[0] == self.exact(selection) else None

    def _tell_equation(self, answer: Clock, known: Clock | None, symbol: str, p: int) -> None:
        for box, value in zip((self._a, self._b), answer.pair, strict=True):
            if (box.maximum(), box.value()) != (p - 1, value):
                blocked = QSignalBlocker(box)
                box.setMaximum(p - 1)
                box.setValue(value)
                blocked.unblock()
        self._operator.setText(operator_of(symbol))
        equals = "has no answer" if answer.answer is None else f"= {answer.answer}"
        self._equals = (equals, equals if answer.answer is None else f"{equals}  (mod {p})")
        self._fit_equation()
        self._says.say(verdict(answer, known))

    def _fit_equation(self) -> None:
        """The modulus where there is room."""
        self._answer.setText(self._equals[self._page.width() >= _WIDE])
        tip(self._answer, self._equals[1])

    def tables(self, answer: Clock, selection: Selection) -> list[Table]:
        dial = (self._known(selection) or answer).dial
        if dial is None:
            return []
        outputs: dict[str, Any] = {"output c": dial.elements}
        outputs |= {f"cos w_{k}(s − c)": dial.cosines(k) for k in answer.keys}
        outputs |= {
            "sum of alpha_k cos (logits)": dial.total(answer.keys),
            "model (logits, less their mean)": dial.logits,
        }
        k = np.array(answer.keys, dtype=np.int64)
        hands = {"frequency k": k, "alpha_k (logits)": dial.coefficient[k - 1]}
        for name, place in (("a", dial.i), ("b", dial.j), ("answer", dial.s)):
            hands[f"hand of {name} (turns)"] = k * place % dial.n / dial.n
        return [Table("outputs", outputs), Table("hands", hands)]

    def describe(self, answer: Clock, selection: Selection) -> str:
        dial = (self._known(selection) or answer).dial
        if dial is None:
            return answer.no_clock
        a, b = answer.pair
        return (
            f"The clock for a = {a}, b = {b} ({'a training' if answer.trained else 'a test'} pair) at epoch "
            f"{epoch_text(selection.epoch)}: hands w_k a, w_k b and w_k s with w_k = 2πk/{dial.n}; rings, rows "
            "of W_E in the plane of k; discs, the wave k in the pair’s logits. Below, cos w_k(s − c) of every output c "
            "(faint), weighted by α_k (solid; least squares over all pairs at this epoch), their sum (bars) and the "
            f"model’s logits less their mean (points). {sentence(keys_text(answer.pinned))}; the sum explains "
            f"{percent(dial.explained)} of these logits. The model answers {answer.said}."
        )

    def restyle(self) -> None:
        self._canvas.update()

    # -- what a person does --------------------------------------------------------------------------------

    def _set_pair(self) -> None:
        self.session.select(pair=(self._a.value(), self._b.value()))

    def _set_stage(self, chosen: QToolButton | None) -> None:
        for button in self._stages:
            button.setChecked(button is chosen)
        self.redraw()

    def _step(self, by: int) -> None:
        """The next or the previous stage; past the ends, and for 0: all at once."""
        now = next((i for i, button in enumerate(self._stages, start=1) if button.isChecked()), 0)
        to = (now + by) % (len(self._stages) + 1) if by else 0
        self._set_stage(self._stages[to - 1] if to else None)

    def _choose_frequency(self, k: int) -> None:
        self.session.select(frequency=None if k == self.session.selection.frequency else k)

    def _turn(self, hand: int, k: int, turn: float) -> None:
        """A hand of clock k was dragged to a fraction of the full turn: the nearest token there."""
        answer: Clock | None = self.answer
        if answer is not None and answer.dial is not None:
            token = nearest_token(answer.dial, k, turn, answer.dial.j if hand else answer.dial.i)
            a, b = answer.pair
            self.session.select(pair=(a, token) if hand else (token, b))

    def _hovered(self, hit: Hit | None) -> None:
        answer: Clock | None = self._known(self.session.selection) or self.answer
        dial = None if answer is None else answer.dial
        if hit is None or answer is None or dial is None or (hit.k or 1) > dial.n // 2:
            self.read_out("")
        else:
            self.read_out(read(answer, dial, hit))


def has_basis(selection: Selection) -> bool:
    """Whether the task has clocks at all."""
    assert selection.run is not None
    try:
        characters(selection.run.config)
    except NoBasis:
        return False
    return True


class _Page(QWidget):
    """The equation, the clocks, and the words beneath in as many lines as the size allows, so that nothing moves."""

    resized = Signal()

    def __init__(self, equation: QHBoxLayout, canvas: ClockCanvas) -> None:
        super().__init__()
        self.caption = _Caption()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(equation)
        column.addWidget(canvas, 1)
        column.addWidget(self.caption)

    def resizeEvent(self, event: QResizeEvent) -> None:
        low = self.height() < _LOW
        self.caption.fit(2 if low or self.width() >= 720 else 3 if self.width() >= 480 else 4, low)
        self.resized.emit()


class _Caption(QWidget):
    """What the stage on show means, in as many lines as there is room for; nothing moves when the words change."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("clock.caption")
        self.setAccessibleName("What is shown")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        stand_on_panel(self)
        self._words, self._short = Words(""), False
        self._laid = QStaticText()
        self._laid.setTextFormat(Qt.TextFormat.RichText)

    def text(self) -> str:
        """What is painted: rich text."""
        return self._words.short if self._short else self._words.text

    def say(self, words: Words) -> None:
        self._words = words
        tip(self, words.text)
        if self.text() != self._laid.text():
            self._laid.setText(self.text())
            self.setAccessibleDescription(QTextDocumentFragment.fromHtml(self.text()).toPlainText())
            self.update()

    def fit(self, lines: int, short: bool) -> None:
        self._short = short
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + 2)
        self.say(self._words)

    def sizeHint(self) -> QSize:
        return QSize(100, self.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = on_panel(self, event)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        self._laid.setTextWidth(self.width())
        painter.drawStaticText(0, 0, self._laid)


class _Fitting(QuietLabel):
    """Says as much as fits; all of it under the pointer."""

    _variants: Sequence[str] = ("",)

    def say(self, variants: Sequence[str]) -> None:
        """variants : the longest first"""
        self._variants = variants
        tip(self, variants[0])
        self.setText(self.fitting())

    def fitting(self) -> str:
        measure, room = self.fontMetrics(), self.width()
        return next((text for text in self._variants if measure.horizontalAdvance(text) <= room), self._variants[-1])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setText(self.fitting())


def _operand(name: str) -> QSpinBox:
    """A field for a residue."""
    box = QSpinBox()
    box.setObjectName(f"clock.{name}")
    box.setAccessibleName(f"Operand {name}")
    box.setToolTip(f"The operand {name}; the arrow keys turn its hands")
    box.setPrefix(f"{name} = ")
    box.setWrapping(True)
    box.setKeyboardTracking(False)
    box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
    box.setFixedWidth(76)
    return box
