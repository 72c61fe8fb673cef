"""The residues on the circles that W_E puts them on, one a key frequency."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtWidgets import QWidget

from app.compute import Compute, Query
from app.export import Table
from app.session import Selection, Session
from app.tracing import Tracing
from app.views.base import View
from app.views.circles_canvas import CirclesCanvas, Hit, Mark, Picture, places_text, share_text
from app.views.controls import toggle
from app.views.help import Help
from app.views.plots import epoch_text
from engine.analysis.circles import Circles, embedding_circles
from engine.analysis.progress_curves import Pinned
from engine.tasks import TASKS


class CirclesView(View):
    """One circle a pinned key, in its fixed plane and at one scale; a click selects a token or a frequency."""

    name = "circles"
    title = "Embedding circles"
    about = (
        "The rows of W_E in the plane of each key frequency. Planes and scale are those of the last checkpoint, so "
        "what moves is the model. Click a point to select a, then b; click a title to select its frequency."
    )
    help = Help(
        see="One panel a key frequency <i>k</i>: every residue’s row of W<sub>E</sub>, seen in the plane in which that "
        "frequency turns at the last checkpoint (the cosine upwards, the sine to the right, so <i>a</i> = 0 is on top "
        "and it runs as a clock does). Planes and the radius are the same at all checkpoints. The colour is "
        "<i>k·a</i> mod <i>p</i>: on a clean circle the hues run once around. “=” has no residue and is left out; for "
        "a · b and a / b the units stand in the order of their logarithms, and zero is the hollow square.",
        look_for="Noise that becomes rings. On the paper’s mainline the share of <i>k</i> = 35 in its plane goes "
        "about .12, .26, .33, .71, .99 at epochs 0, 1400, 5000, 10 000 and 14 000: the rings tighten long after "
        "memorisation, when the rest is cleaned up. The dashed ring is where the circle ends.",
        wrong="Hues that do not run around a ring whose share is high (the wrong order of the residues), a ring at "
        "epoch 0, or circles that look good only with “own plane”: there even random weights give about half. Hollow "
        "points at a panel’s edge lie farther out than it shows.",
        formula="Plane: the orthonormal pair nearest to (W<sub>E</sub><sup>T</sup>cos<sub>k</sub>, "
        "W<sub>E</sub><sup>T</sup>sin<sub>k</sub>), its polar factor. Share: of the points’ variance over the "
        "residues, the part at frequency <i>k</i>. Where gcd(<i>k</i>, <i>p</i>) = <i>g</i> &gt; 1 there are only "
        "<i>p/g</i> places; <i>k</i> = <i>p</i>/2 has no sine: a line.",
        paper="Section 4.1 and figure 3 (the embedding is sparse in the Fourier basis).",
    )

    def __init__(self, session: Session, compute: Compute) -> None:
        super().__init__(session, compute)
        self.tracing.grew.connect(self.renew)

    def options(self) -> list[QWidget]:
        self._own = toggle(
            "own plane", "circles.own", "Each checkpoint in its own planes: even random weights give about half there"
        )
        self._by_value = toggle("by value", "circles.value", "Colour by the residue itself, not by k·a mod p")
        self._lines = toggle("lines", "circles.lines", "Join the tokens whose k·a mod p follow each other")
        for button in (self._own, self._by_value, self._lines):
            button.toggled.connect(self.redraw)
        return [self._own, self._by_value, self._lines]

    def build(self) -> QWidget:
        self._canvas = CirclesCanvas()
        self._first: int | None = None  # a token clicked while there is no pair
        self._canvas.hovered.connect(self._hovered)
        self._canvas.token_clicked.connect(self._choose_token)
        self._canvas.frequency_clicked.connect(self._choose_frequency)
        self._canvas.stepped.connect(self._step)
        return self._canvas

    def query(self, selection: Selection) -> Query:
        return Query(
            embedding_circles,
            (
                selection.run,
                selection.step,
                selection.layout_step,
                selection.n_checkpoints,
                selection.pinned_keys,
                known_set(self.tracing, selection),
                self._own.isChecked(),
            ),
        )

    def draw(self, answer: Circles, selection: Selection) -> None:
        shown = panels(answer, selection.frequency)
        if answer.no_basis:
            self.set_subtitle("no basis")
            self._say(answer.no_basis)
            return
        if not shown:
            self.set_subtitle(keys_text(answer.pinned))
            self._say("No key frequency yet.\nSelect a frequency in a spectrum to see its circle.")
            return
        assert selection.run is not None
        task = TASKS[selection.run.config.operation]
        tokens = marked(answer, selection.pair, self._first, task.symbol)
        self._canvas.show_picture(
            Picture(answer, shown, selection.frequency, tokens, self._by_value.isChecked(), self._lines.isChecked())
        )
        where = f"planes of epoch {epoch_text(answer.plane_epoch)}"
        if answer.own:
            where = f"own planes, random ≈ {answer.random_share:.2f}"
        self.set_subtitle(f"{keys_text(answer.pinned)} · {where}")
        spoken = ", ".join(f"k = {k}: {share_text(answer.share[k - 1])}" for k in shown)
        self._canvas.setAccessibleDescription(f"Share of each frequency in its plane: {spoken}")

    def tables(self, answer: Circles, selection: Selection) -> list[Table]:
        shown = panels(answer, selection.frequency)
        n = answer.n
        at = answer.points[[k - 1 for k in shown]].reshape(-1, 2)
        return [
            Table(
                "points",
                {
                    "frequency k": np.repeat(shown, n),
                    "token": np.tile(answer.elements, len(shown)),
                    _place_header(answer): np.array([answer.places(k) for k in shown]).reshape(-1),
                    "along the cosine (W_E)": at[:, 0],
                    "along the sine (W_E)": at[:, 1],
                },
            ),
            Table(
                "shares",
                {
                    "frequency k": list(shown),
                    "share of k in its plane": [float(answer.share[k - 1]) for k in shown],
                    "radius of k at the planes' checkpoint (W_E)": [float(answer.ring[k - 1]) for k in shown],
                },
            ),
        ]

    def describe(self, answer: Circles, selection: Selection) -> str:
        assert selection.run is not None
        planes = "that checkpoint" if answer.own else f"epoch {epoch_text(answer.plane_epoch)}"
        said = (
            f"Rows of W_E at epoch {epoch_text(selection.epoch)} in the plane of each frequency: the orthonormal pair "
            f"nearest to (W_Eᵀ cos, W_Eᵀ sin) at {planes}; one scale, radius {answer.scale:.2f}. "
            f"Frequencies: {keys_text(answer.pinned)}. Coloured by {self._coloured_by(answer)}. "
            "Share: of the variance over the residues, the part at the frequency"
        )
        shares = ", ".join(f"{k}: {share_text(answer.share[k - 1])}" for k in panels(answer, selection.frequency))
        apart = " Units in the order of their logarithms; 0 shown apart, “=” left out." if answer.generator else ""
        return f"{said} ({shares}).{apart}"

    def restyle(self) -> None:
        self._canvas.update()

    def _coloured_by(self, answer: Circles) -> str:
        return "the residue" if self._by_value.isChecked() else _place_header(answer)

    # -- what a person does --------------------------------------------------------------------------------

    def _hovered(self, hit: Hit | None) -> None:
        answer: Circles | None = self.answer
        if hit is None or answer is None or hit.k > len(answer.share):
            self.read_out("" if self._first is None else self._wanted_b())
        elif hit.token is None:
            share = f"share of {hit.k} in its plane {share_text(answer.share[hit.k - 1])}"
            self.read_out(f"k = {hit.k} · {share}{places_text(answer, hit.k)}")
        else:
            self.read_out(token_text(answer, hit.k, hit.token))

    def _wanted_b(self) -> str:
        return f"a = {self._first} · click b"

    def _choose_token(self, token: int, second: bool) -> None:
        """A click gives a, with Shift b; where there is no pair yet, first a, then b."""
        pair = self.session.selection.pair
        if pair is not None:
            self._first = None
            new = (pair[0], token) if second else (token, pair[1])
            self.session.select(pair=None if new == pair else new)
        elif self._first is None:
            self._first = token
            self.read_out(self._wanted_b())
            self.redraw()
        else:
            first, self._first = self._first, None
            self.session.select(pair=(first, token))

    def _choose_frequency(self, k: int) -> None:
        self.session.select(frequency=None if k == self.session.selection.frequency else k)

    def _step(self, by: int) -> None:
        """The next or the previous key frequency; 0: none."""
        answer: Circles | None = self.answer
        if answer is None or by == 0 or not answer.keys:
            self._first = None
            self.session.select(frequency=None)
            return
        now, keys = self.session.selection.frequency, answer.keys
        at = keys.index(now) + by if now in keys else (0 if by > 0 else -1)
        self.session.select(frequency=keys[at % len(keys)])


# -- what is said ----------------------------------------------------------------------------------------------


def known_set(tracing: Tracing, selection: Selection) -> Pinned | None:
    """The run's own set, where it has been looked up already."""
    there = tracing.run is selection.run and tracing.pinned is not None and selection.pinned_keys is None
    return tracing.pinned if there and tracing.pinned is not None and not tracing.pinned.by_hand else None


def keys_text(pinned: Pinned) -> str:
    """Which set is shown, and the epoch it was taken at."""
    if not pinned.keys:
        return "no key frequency yet"
    names = ", ".join(map(str, pinned.keys))
    if pinned.by_hand:
        return f"frequencies {names}, chosen by hand"
    return f"{'key frequencies' if pinned.final else 'candidates'} {names} of epoch {epoch_text(pinned.epoch)}"


def _place_header(answer: Circles) -> str:
    return f"k·a mod {answer.n}" if answer.generator is None else f"k·log a mod {answer.n}"


def token_text(answer: Circles, k: int, token: int) -> str:
    """What the pointer reads on a token."""
    i = answer.place_of(token)
    if i is None:
        return f"token {token} has no logarithm: it stands apart"
    x, y = (float(v) for v in answer.points[k - 1, i])
    radius, place = math.hypot(x, y), int(answer.places(k)[i])
    log = "" if answer.generator is None else f" · log a = {i}"
    header = _place_header(answer).replace("k·", f"{k}·")
    said = f"token a = {token}{log} · {header} = {place} · radius {radius:.3f}"
    if 2 * k == answer.n or radius == 0:
        return said
    off = (math.degrees(math.atan2(y, x)) - 360 * place / answer.n + 180) % 360 - 180
    return f"{said} · {abs(off):.0f}° from its place"


def panels(answer: Circles, selected: int | None) -> tuple[int, ...]:
    """The frequencies that have a panel: the keys, and the selected one if it is none of them."""
    extra = selected is not None and selected not in answer.keys and selected <= len(answer.share)
    return (*answer.keys, *((selected,) if extra and selected is not None else ()))


def marked(answer: Circles, pair: tuple[int, int] | None, first: int | None, symbol: str) -> tuple[Mark, ...]:
    """The selected pair and its answer; or the first token of a pair to be."""
    if pair is None:
        return () if first is None else (Mark(first, "a"),)
    i, j = (answer.place_of(token) for token in pair)
    marks = [Mark(pair[0], "a"), Mark(pair[1], "b")]
    if i is not None and j is not None:
        marks.append(Mark(int(answer.elements[(i + answer.sign * j) % answer.n]), symbol))
    return tuple(marks)
