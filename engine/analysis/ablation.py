"""What is taken away from, or turned down in, a model at one checkpoint: one description of all of it.

Order of composition, which is that of the forward pass; each acts on what arrives:

1. `heads`: their outputs, before they are added to the residual stream
2. `skips`, around attention: the residual stream beside the attention of a layer
3. `neurons`: activations after ReLU
4. `polynomials`: of the last layer's neurons
5. `neuron_frequencies`: in the last layer's activations
6. `projection`: of the last layer's activations
7. `skips`, around the MLP: the residual stream beside the MLP of a layer
8. `logit_frequencies`: in the logits
9. `generalising`, `memorising`: the two solutions, last

1, 2, 3 and 7 are done layer by layer and wherever a later layer reads; 4 to 6 at `=`, in the last layer.

What is *zero* is 0. What stands at its *mean* stands at its mean over the task's pairs in the whole model of the same
checkpoint. A constant that is *kept* (frequencies) is that of what arrives, over the pairs of the task's cycle.
Frequencies are those of the task's own basis (`engine.analysis.characters`): pairs off its cycle are not touched by
4, 5, 8 and 9, and are not counted where one of these is in effect. Neurons have their frequency and FVE in the whole
model of the same checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.config import Config

Unit = tuple[int, int]
ATTENTION, MLP = 0, 1  # what a skip leads around: its unit is (layer, ATTENTION) or (layer, MLP)
SUM, BLOCK, CARRIERS = "sum", "block", "carriers"
CLEAR, EVERY = "clear", "every"
ONTO, NULL = "onto", "null"
NOTHING = ""


@dataclass(frozen=True)
class Units:
    """Some heads, neurons or skips that are taken away, or that alone are kept.

    of : (layer, index), ascending; none: nothing is taken away, whatever `keep` says
    keep : all others are taken away     mean : what is taken away stands at its mean, else at 0
    """

    of: tuple[Unit, ...] = ()
    keep: bool = False
    mean: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", tuple(sorted({(int(layer), int(i)) for layer, i in self.of})))

    @property
    def is_whole(self) -> bool:
        return not self.of

    def taken(self, layer: int, n: int) -> list[int]:
        """Which of a layer's n are taken away, ascending."""
        mine = {i for la, i in self.of if la == layer}
        return [i for i in range(n) if (i in mine) != self.keep] if self.of else []

    def within(self, n_layers: int, n: int) -> Units:
        """Those that a model has.  n : in a layer"""
        there = tuple(u for u in self.of if 0 <= u[0] < n_layers and 0 <= u[1] < n)
        return self if there == self.of else replace(self, of=there)


@dataclass(frozen=True)
class Frequencies:
    """Some frequencies k that are taken away, or that alone are kept.

    of : ascending; none: nothing is taken away, whatever `keep` says     keep : all others are taken away
    what : SUM: cosine and sine of w_k(i ± j), the projection P_k (paper, sec. 4.1). BLOCK: the eight components of k,
        cosines and sines of i, of j, and their products (sec. 4.3). CARRIERS, of neurons only: whole neurons, those
        whose frequency is k with FVE ≥ 0.85
    mean : of SUM and BLOCK with `keep`: the constant is kept; without `keep` it always is. Of CARRIERS: the neurons
        taken away stand at their mean. Else 0
    """

    of: tuple[int, ...] = ()
    keep: bool = False
    mean: bool = True
    what: str = SUM

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", tuple(sorted({int(k) for k in self.of})))
        if self.what not in (SUM, BLOCK, CARRIERS):
            raise ValueError(f"{self.what} is not something that frequencies can be taken from.")

    @property
    def is_whole(self) -> bool:
        return not self.of

    def within(self, most: int) -> Frequencies:
        """Those that a task has.  most : the largest k"""
        there = tuple(k for k in self.of if 1 <= k <= most)
        return self if there == self.of else replace(self, of=there)


@dataclass(frozen=True)
class Ablation:
    """What is taken away, in all; the default is the whole model. The module tells the order of composition.

    generalising, memorising : the two solutions, each by a factor (science 2.13): logits = mean +
        generalising · P_K L + memorising · rest. (1, 0) has the restricted and (0, 1) the excluded loss of the keys K
    heads : (layer, head)     neurons : (layer, neuron)     skips : (layer, ATTENTION) or (layer, MLP)
    polynomials : CLEAR: neurons with FVE ≥ 0.85 are replaced by their polynomial of degree 2, the constant and the
        eight components of their own frequency (paper, sec. 4.3); EVERY: all neurons that have a frequency
    neuron_frequencies, logit_frequencies : in the activations, and in the logits
    projection : the activations are projected on the span of the directions u_k, v_k of W_L at the keys (ONTO), or
        on its null space (NULL) (sec. 4.4)
    """

    generalising: float = 1.0
    memorising: float = 1.0
    heads: Units = Units()
    skips: Units = Units()
    neurons: Units = Units()
    polynomials: str = NOTHING
    neuron_frequencies: Frequencies = Frequencies(what=CARRIERS)
    projection: str = NOTHING
    logit_frequencies: Frequencies = Frequencies()

    def __post_init__(self) -> None:
        if self.polynomials not in (NOTHING, CLEAR, EVERY) or self.projection not in (NOTHING, ONTO, NULL):
            raise ValueError("There is no such replacement or projection of neurons.")
        if self.logit_frequencies.what == CARRIERS:
            raise ValueError("Logits have no carriers: frequencies are taken from them by components.")

    @property
    def is_whole(self) -> bool:
        """Whether the model is as it was trained."""
        return not self.is_mixed and not self.is_cut

    @property
    def is_mixed(self) -> bool:
        """Whether either solution is turned up or down."""
        return (self.generalising, self.memorising) != (1.0, 1.0)

    @property
    def is_cut(self) -> bool:
        """Whether anything is taken away before the two solutions."""
        return self.is_cut_inside or not self.logit_frequencies.is_whole

    @property
    def is_cut_inside(self) -> bool:
        """Whether anything is taken away before the logits."""
        return bool(self.polynomials or self.projection) or not all(
            part.is_whole for part in (self.heads, self.skips, self.neurons, self.neuron_frequencies)
        )

    @property
    def is_spectral(self) -> bool:
        """Whether only the pairs of the task's cycle are touched by some of it: only these are then counted."""
        frequencies = self.neuron_frequencies, self.logit_frequencies
        of_waves = any(not f.is_whole and f.what != CARRIERS for f in frequencies)
        return self.is_mixed or bool(self.polynomials) or of_waves

    @property
    def cuts(self) -> Ablation:
        """All of it but the two solutions."""
        return self.mixed(1.0, 1.0)

    def mixed(self, generalising: float, memorising: float) -> Ablation:
        """The same with other factors of the two solutions."""
        return replace(self, generalising=generalising, memorising=memorising)

    def with_factors_of(self, other: Ablation) -> Ablation:
        """The same with another's factors of the two solutions."""
        return self.mixed(other.generalising, other.memorising)

    def within(self, config: Config) -> Ablation:
        """What of it a model has."""
        if self == WHOLE:
            return self
        layers, most = config.n_layers, config.p // 2
        return replace(
            self,
            heads=self.heads.within(layers, config.n_heads),
            skips=self.skips.within(layers, 2),
            neurons=self.neurons.within(layers, config.d_mlp),
            neuron_frequencies=self.neuron_frequencies.within(most),
            logit_frequencies=self.logit_frequencies.within(most),
        )


WHOLE = Ablation()
