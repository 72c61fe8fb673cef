"""What is said of a neuron in words and numbers: the column of facts, the sentence, the card to copy."""

from __future__ import annotations

from app.numbers import epoch_text
from app.session import NeuronId, Selection
from engine.analysis.neuron import DIRECT_ONLY
from engine.analysis.neuron_page import NeuronPicture
from engine.analysis.neurons import THRESHOLD
from engine.tasks import TASKS

CLEAR = 0.5  # FVE below which a phase says nothing (science 2.13)
NOT_KNOWN = "—"
FACTS = {
    "phase": ("reads φ", "Phase of the wave it reads: cos(w(a ± b) + φ). — where k explains less than half of it"),
    "peak": ("peak at", "The answer nearest to the top of the wave it reads"),
    "output_phase": ("writes ψ", "Phase of the wave it writes into the logits: cos(wc + ψ)"),
    "output_peak": ("peak at", "The logit nearest to the top of the wave it writes"),
    "misalignment": ("D = ψ − φ", "Misalignment: 0° where it writes what it reads"),
    "vote": ("vote", "Its part of the logits' coefficient of cos w(a ± b − c), by the direct path"),
    "fit": ("fit R²", "Of its degree-2 polynomial in cos and sin of wa and wb (paper, sec. 4.4)"),
    "settled": ("settled", "First checkpoint's epoch from which its best frequency never changes"),
    "committed": ("committed", "First checkpoint's epoch from which its frequency explains 85 % or more of it"),
}


def facts(answer: NeuronPicture, selection: Selection) -> dict[str, str]:
    """What the column says, by the keys of `FACTS`, but for its life."""
    said = dict.fromkeys(("phase", "peak", "output_phase", "output_peak", "misalignment", "vote", "fit"), NOT_KNOWN)
    wave, report = answer.wave, answer.report
    if not wave.frequency or selection.run is None:
        return said
    said["fit"] = f"{wave.r_squared:.3f}"
    if report.wave is None:
        return said
    if has_phase(answer):
        answered = TASKS[selection.run.config.operation].symbol
        said["phase"], said["peak"] = degrees(wave.phase), _peak(answered, wave.peak)
        if wave.output_phase is not None:
            said["output_phase"], said["output_peak"] = degrees(wave.output_phase), _peak("c", wave.output_peak)
            said["misalignment"] = degrees(wave.misalignment, 1)
    if report.no_vote == DIRECT_ONLY:
        said |= dict.fromkeys(("output_phase", "misalignment", "vote"), "direct path only")
    elif wave.vote is not None:
        said["vote"] = f"{wave.vote:+.2g}".replace("-", "−")
    return said


def has_phase(answer: NeuronPicture) -> bool:
    """Whether one frequency explains enough of it for a phase to say something."""
    return answer.report.wave is not None and answer.wave.frequency > 0 and answer.wave.fve >= CLEAR


def degrees(angle: float | None, digits: int = 0) -> str:
    if angle is None:
        return NOT_KNOWN
    return f"{round(angle, digits) + 0.0:.{digits}f}°".replace("-", "−")  # + 0.0: no −0


def _peak(what: str, peak: int | None) -> str:
    return "several" if peak is None else f"{what} = {peak}"


def life_text(epoch: int | None, known: bool, trouble: str, growing: bool) -> str:
    """An epoch of its life: … while it is looked for, — where there is none."""
    if trouble:
        return NOT_KNOWN
    if not known:
        return "…"
    return NOT_KNOWN if epoch is None else epoch_text(epoch) + (" so far" if growing else "")


def name_of(neuron: NeuronId, selection: Selection) -> str:
    layers = selection.run.config.n_layers if selection.run else 1
    return f"Neuron {neuron[1]}" if layers == 1 else f"Neuron {neuron[1]} of layer {neuron[0]}"


def sentence(answer: NeuronPicture, selection: Selection) -> str:
    """After its frequency."""
    wave = answer.wave
    if not wave.frequency:
        return "It does not respond to its input here."
    text = f"explains {100 * wave.fve:.1f} % of its variance"
    if answer.report.no_basis:
        text += " · no Fourier basis for this task: frequency of the residues as they stand"
    if wave.generator is not None:
        text += f" · character of the units, generator {wave.generator}"
    if answer.settled_frequency and answer.settled_frequency != wave.frequency:
        text += f" · axes unwrapped for k = {answer.settled_frequency}, its frequency at the reference checkpoint"
    if len(selection.neurons) > 1:
        text += f" · first of {len(selection.neurons)} selected"
    return text


def card(answer: NeuronPicture, selection: Selection, settled: str, committed: str) -> str:
    """The neuron as a Markdown table.  settled, committed : as `life_text` says them"""
    assert selection.run is not None
    wave, said = answer.wave, facts(answer, selection)
    clear = wave.fve >= THRESHOLD
    rows = {
        "run": f"`{selection.run.path.name}`",
        "epoch": epoch_text(selection.epoch),
        "neuron": name_of(selection.neurons[0], selection).removeprefix("Neuron "),
        "frequency k": str(wave.frequency) if wave.frequency else "dead",
        "FVE": f"{100 * wave.fve:.2f} %" + ("" if clear or not wave.frequency else " (below 85 %: no clear frequency)"),
        "reads φ": _with_peak(said["phase"], said["peak"]),
        "writes ψ": _with_peak(said["output_phase"], said["output_peak"]),
        "misalignment D = ψ − φ": said["misalignment"],
        "vote": said["vote"],
        "settled (epoch)": settled,
        "committed (epoch)": committed,
    }
    if wave.generator is not None:
        rows["frequency k"] += f" (character of the units, generator {wave.generator})"
    if answer.report.no_basis:
        rows["note"] = answer.report.no_basis
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join([f"**{name_of(selection.neurons[0], selection)}**", "", "| | |", "|---|---|", *lines, ""])


def _with_peak(angle: str, peak: str) -> str:
    return f"{angle} (peak at {peak})" if "=" in peak else angle
