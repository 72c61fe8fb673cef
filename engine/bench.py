"""Measurements of training on this machine: ratios in one run, for absolute times differ between machines."""

from __future__ import annotations

import math
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from engine import kernels
from engine.config import Config, preset
from engine.fast_step import FastStep
from engine.lanes import Lanes
from engine.models.transformer import Weights, initial_weights
from engine.step import Batch, GeneralStep, Parameters, evaluate
from engine.structured import zeros
from engine.tasks import examples
from engine.training import Trainer, physical_cores

CPU = torch.device("cpu")


@dataclass(frozen=True)
class StepBench:
    """Our epoch against the authors'.

    ms_per_epoch          : training, its optimiser and the test loss as often as the schedule takes it
    baseline_ms_per_epoch : the authors' step: three positions, a test forward every epoch, AdamW foreach
    gflops       : of our epoch's arithmetic, counted, not of the plain model's
    floor_ms     : the three products no reordering avoids, at the rate this machine multiplies
    passes_ms    : where our epoch's time goes
    max_gradient_error : largest ||g - g64|| / ||g64|| over parameters, at the initial weights
    """

    p: int
    d_mlp: int
    threads: int
    step_path: str
    rounds: int
    ms_per_epoch: float
    baseline_ms_per_epoch: float
    ratio: float
    gflops: float
    floor_ms: float
    max_gradient_error: float
    passes_ms: dict[str, float]


def step(config: Config | None = None, rounds: int = 15, epochs: int = 30, baseline_epochs: int = 2) -> StepBench:
    """Time our epoch and the authors', in turns, on the same threads; medians over the rounds."""
    c = config or preset("paper")
    threads = physical_cores()
    trainer = _trainer(c, threads)
    plain = AuthorsEpoch(c)
    our_times, plain_times = [], []
    for _ in range(rounds + 1):
        torch.set_num_threads(threads)
        plain()
        plain_times.append(_timed(plain, baseline_epochs))
        torch.set_num_threads(1 if isinstance(trainer.step, FastStep) else threads)
        _epoch(trainer)
        our_times.append(_timed(partial(_epoch, trainer), epochs))
    milliseconds, baseline = (1000 * statistics.median(times[1:]) for times in (our_times, plain_times))
    return StepBench(
        p=c.p,
        d_mlp=c.d_mlp,
        threads=threads,
        step_path=trainer.step.path,
        rounds=rounds,
        ms_per_epoch=milliseconds,
        baseline_ms_per_epoch=baseline,
        ratio=baseline / milliseconds,
        gflops=operations(c) / milliseconds / 1e6,
        floor_ms=1000 * floor_operations(c) / product_rate(threads),
        max_gradient_error=max(gradient_errors(c, initial_weights(c), trainer.step.path).values()),
        passes_ms=_passes(trainer),
    )


def _trainer(c: Config, threads: int) -> Trainer:
    return Trainer(replace(c, device="cpu"), None, threads)


def _timed(call: Callable[[], Any], times: int) -> float:
    """Seconds a call."""
    begin = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - begin) / times


def _epoch(trainer: Trainer) -> None:
    """As `events` trains one: the test loss when it is due, then a step."""
    if trainer.epoch % trainer.config.test_every == 0:
        evaluate(trainer.step, trainer.test_batch)
    trainer.advance()


def _passes(trainer: Trainer, epochs: int = 60) -> dict[str, float]:
    """Milliseconds of each part of an epoch, medians; one after the other, as in training."""
    step = trainer.step
    parts: dict[str, Callable[[], object]] = {"gradient": step}
    if isinstance(step, FastStep):
        parts = step.passes()
    parts["optimizer"] = trainer.optimizer.step
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(epochs):
        for name, part in parts.items():
            times[name].append(_timed(part, 1))
    found = {name: 1000 * statistics.median(each) for name, each in times.items()}
    tests = [_timed(partial(evaluate, step, trainer.test_batch), 1) for _ in range(9)]
    found["test loss, per epoch"] = 1000 * statistics.median(tests) / trainer.config.test_every
    return found


def operations(c: Config) -> int:
    """Floating-point operations of a structured step: products and weighted sums, 2 a multiply-add."""
    width, tokens, values = c.d_mlp + c.d_model, 2 * c.p, c.n_heads * c.head_size
    per_example = 3 * c.d_model * (c.d_mlp + c.d_vocab) + 3 * 2 * c.n_heads * width
    tables = 3 * tokens * values * width + 3 * values * c.d_model * c.d_mlp + 3 * tokens * c.d_model * values
    return 2 * (c.n_train * per_example + tables)


def floor_operations(c: Config) -> int:
    """Those of the products that meet every example: MLP activations to logits, and its two gradients."""
    return 2 * 3 * c.n_train * c.d_mlp * c.d_vocab


def product_rate(threads: int, rows: int = 1920, columns: int = 128, depth: int = 512) -> float:
    """Operations a second of large float32 products on all threads at once: ours or oneDNN's, whichever is faster."""
    lanes = Lanes(threads)
    draw = np.random.default_rng(0)
    a, b = (draw.standard_normal(n).astype(np.float32) for n in (rows * depth, depth * columns))
    outs = [zeros(rows * columns, np.float32) for _ in range(threads)]
    packs = [zeros(kernels.PACK, np.float32) for _ in range(threads)]

    def ours(i: int) -> None:
        kernels.multiply(rows, columns, depth, a, 0, depth, 1, b, 0, columns, 1, outs[i], 0, columns, False, packs[i])

    x, w = torch.from_numpy(a).view(rows, depth), torch.from_numpy(b).view(columns, depth)

    def library(_: int) -> None:
        torch.set_num_threads(1)  # of this lane
        torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")

    ways: list[Callable[[int], None]] = [ours]
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        ways.append(library)
    best = min(
        _timed(partial(lanes.run, [partial(way, i) for i in range(threads)]), 1) for way in ways for _ in range(40)
    )
    return 2 * rows * columns * depth * threads / best


def gradient_errors(c: Config, weights: Weights, path: str, threads: int = 2) -> dict[str, float]:
    """||g - g64|| / ||g64|| of a float32 gradient for each parameter.

    path : "structured", or "general" (plain float32 autograd)
    """
    train = Batch(examples(c.operation, c.p, c.train_fraction, c.data_seed)[0], CPU)
    exact = Parameters(c, weights, CPU, torch.float64)
    GeneralStep(c, exact, train)()
    single = Parameters(c, weights, CPU, torch.float32)
    if path == "structured":
        FastStep(c, single.weights, single.gradients, train.pairs, train.labels, threads)()
    else:
        GeneralStep(c, single, train)()
    return {
        name: float((single.gradients[name] - g).norm() / g.norm().clamp_min(1e-300))
        for name, g in exact.gradients.items()
    }


class AuthorsEpoch:
    """An epoch as the paper's code trains it: every position, labels made once, test loss every epoch.

    The test forward is taken without its graph, which the authors' code builds: a faster baseline than theirs.
    """

    def __init__(self, c: Config) -> None:
        train, test = (Batch(x, CPU) for x in examples(c.operation, c.p, c.train_fraction, c.data_seed))
        self._config, self._train, self._test = c, train, test
        self._pairs = [torch.cat([x.pairs, torch.full((len(x.labels), 1), c.p)], 1) for x in (train, test)]
        self._w = {name: w.clone().requires_grad_() for name, w in initial_weights(c).items()}
        self._mask = torch.tril(torch.ones(3, 3))
        self._optimizer = torch.optim.AdamW(
            self._w.values(), lr=c.lr, betas=c.betas, weight_decay=c.weight_decay, foreach=True
        )

    def _loss(self, pairs: Tensor, labels: Tensor) -> Tensor:
        w = self._w
        x = w["W_E"][pairs] + w["W_pos"]
        q, k, v = (torch.einsum("idh,bpd->biph", w[name][0], x) for name in ("W_Q", "W_K", "W_V"))
        scores = torch.einsum("biph,biqh->biqp", k, q)
        scores = torch.tril(scores) - 1e10 * (1 - self._mask)
        pattern = torch.softmax(scores / math.sqrt(self._config.head_size), dim=-1)
        z = torch.einsum("biph,biqp->biqh", v, pattern)
        x = x + torch.einsum("ihd,biqh->bqd", w["W_O"][0], z)
        post = torch.relu(torch.einsum("dm,bpd->bpm", w["W_in"][0], x) + w["b_in"][0])
        x = x + torch.einsum("md,bpm->bpd", w["W_out"][0], post) + w["b_out"][0]
        logits = (x @ w["W_U"])[:, -1]
        return functional.cross_entropy(logits.double(), labels)

    def __call__(self) -> None:
        loss = self._loss(self._pairs[0], self._train.labels)
        with torch.no_grad():
            self._loss(self._pairs[1], self._test.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._optimizer.zero_grad()


# -- what it costs as things grow, and beside other things ----------------------------------------------------


@dataclass(frozen=True)
class Growth:
    """One size of model: cost of an epoch against its operations.  memory_mib : above an empty process"""

    p: int
    d_mlp: int
    ms_per_epoch: float
    gflop_per_epoch: float
    gflops: float
    memory_mib: float
    measured: bool


def growth() -> list[Growth]:
    """The paper's model at other p and d_mlp, each in a process of its own; the last, p = 401, is an estimate."""
    sizes = [(59, 512), (113, 256), (113, 512), (113, 1024), (113, 2048), (197, 512), (257, 512), (257, 2048)]
    found = []
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for p, d_mlp in sizes:
            found.append(pool.apply(_grown, (p, d_mlp)))
    large = preset("paper", p=401)
    known = [row for row in found if row.d_mlp == 512][-1]
    scale = operations(large) / 1e9 / known.gflop_per_epoch
    estimate = Growth(
        401, 512, known.ms_per_epoch * scale, operations(large) / 1e9, known.gflops, known.memory_mib * scale, False
    )
    return [*found, estimate]


def _grown(p: int, d_mlp: int) -> Growth:
    c = preset("paper", p=p, d_mlp=d_mlp)
    _trainer(preset("paper", p=5, d_mlp=32), physical_cores()).advance()  # compiled and imported
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trainer = _trainer(c, physical_cores())
    _epoch(trainer)
    seconds = statistics.median(_timed(partial(_epoch, trainer), 10) for _ in range(5))
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    flop = operations(c)
    return Growth(p, d_mlp, 1000 * seconds, flop / 1e9, flop / seconds / 1e9, memory, True)


@dataclass(frozen=True)
class Neighbour:
    """An epoch alone, and beside one process that keeps a core busy."""

    alone_ms: float
    beside_ms: float
    ratio: float


def neighbour(rounds: int = 7, epochs: int = 60) -> Neighbour:
    """What another busy program costs: rounds alone and beside it, in turns."""
    trainer = _trainer(preset("paper"), physical_cores())
    _epoch(trainer)
    alone, beside = [], []
    for _ in range(rounds):
        alone.append(_timed(partial(_epoch, trainer), epochs))
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
            time.sleep(0.2)
            beside.append(_timed(partial(_epoch, trainer), epochs))
            other.kill()
    a, b = 1000 * statistics.median(alone), 1000 * statistics.median(beside)
    return Neighbour(a, b, b / a)


@dataclass(frozen=True)
class Checkpointing:
    """What keeping checkpoints costs.

    quick_seconds, quick_share : in a whole quick run
    paper_ms   : a checkpoint of the paper's model, the evaluation of its own losses included
    paper_share : of a whole paper run, from its schedule and the epoch's time
    """

    quick_seconds: float
    quick_share: float
    paper_ms: float
    paper_share: float


def checkpoints(transition: int = 160) -> Checkpointing:
    """Time spent between the steps of a whole quick run and of 600 epochs of the paper's.

    transition : checkpoints of the transition, beside the scheduled ones, in a paper run
    """
    from engine.estimate import scheduled_checkpoints

    quick_spent, quick_total, _ = _recorded(preset("quick"))
    paper = preset("paper", epochs=600)
    spent, total, kept = _recorded(paper)
    per_epoch, whole = (total - spent) / paper.epochs, preset("paper")
    n = scheduled_checkpoints(whole) + transition
    cost = spent / kept
    return Checkpointing(
        quick_seconds=quick_spent,
        quick_share=quick_spent / quick_total,
        paper_ms=1000 * cost,
        paper_share=n * cost / (n * cost + per_epoch * whole.epochs),
    )


def _recorded(config: Config) -> tuple[float, float, int]:
    """Train into a file. -> seconds on checkpoints, seconds in all, checkpoints"""
    from engine import recording, training

    spent, plain = 0.0, training.checkpoint

    def evaluated(*arguments: Any) -> Any:
        nonlocal spent
        begin = time.perf_counter()
        found = plain(*arguments)
        spent += time.perf_counter() - begin
        return found

    with tempfile.TemporaryDirectory() as folder:
        new = recording.start(replace(config, device="cpu"), Path(folder) / "run.h5")
        append = new.writer.append

        def appended(checkpoint: Any) -> None:
            nonlocal spent
            begin = time.perf_counter()
            append(checkpoint)
            spent += time.perf_counter() - begin

        training.checkpoint, new.writer.append = evaluated, appended  # type: ignore[assignment, method-assign]
        try:
            begin = time.perf_counter()
            kept = sum(isinstance(event, training.Checkpoint) for event in new.events())
            return spent, time.perf_counter() - begin, kept
        finally:
            training.checkpoint = plain


@dataclass(frozen=True)
class AnalysisBench:
    """Measuring a run's checkpoints into traces, excluded loss of its key frequencies included; and one neuron.

    neuron_ms : everything about one neuron at a checkpoint whose activations are there   peak_rss_mb : of this process
    """

    p: int
    d_mlp: int
    checkpoints: int
    seconds: float
    ms_per_checkpoint: float
    neuron_ms: float
    peak_rss_mb: float


def analysis(path: Path | None = None, checkpoints: int = 60) -> AnalysisBench:
    """Time traces and a neuron on a run, or on the paper's model, trained for so many checkpoints."""
    from engine import recording
    from engine.analysis.embedding import key_frequencies
    from engine.analysis.neuron import neuron_report
    from engine.replay import activations
    from engine.runfile import Run
    from engine.traces import Traces

    torch.set_num_threads(physical_cores())
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            path = Path(folder) / "run.h5"
            config = preset("paper", epochs=checkpoints - 1, dense_every=1, device="cpu")
            for _ in recording.start(config, path).events():
                pass
            torch.set_num_threads(physical_cores())
        run = Run.open(path)
        keys = key_frequencies(run, run.n_checkpoints - 1) or (1,)
        traces = Traces(run, Path(folder) / "bench.traces.h5")
        steps = traces.missing(keys)[: checkpoints + 1]
        traces.add(steps[0], keys)
        begin = time.perf_counter()
        for step in steps[1:]:
            traces.add(step, keys)
        traces.flush()
        seconds = time.perf_counter() - begin
        traces.close()
        last, layer = run.n_checkpoints - 1, run.config.n_layers - 1
        activations(run, last)
        neurons = range(min(40, run.config.d_mlp))
        each = [_timed(partial(neuron_report, run, last, layer, i), 1) for i in neurons]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        done, c = len(steps) - 1, run.config
        return AnalysisBench(
            c.p, c.d_mlp, done, seconds, 1000 * seconds / done, 1000 * statistics.median(each), peak
        )  # fmt: skip
