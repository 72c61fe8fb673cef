"""Training as a generator: no files, no printing, no Qt. Pausing is not calling `next`."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.adamw import MOMENTS, AdamW
from engine.config import Config
from engine.lanes import physical_cores as physical_cores
from engine.later import torch
from engine.models.transformer import Weights, initial_weights, shapes
from engine.step import Batch, Evaluation, Parameters, Step, choose_step, evaluate
from engine.tasks import examples

Arrays = dict[str, NDArray[np.generic]]
YIELD_SECONDS = 0.05
TRANSITION = (0.1, 0.99)  # test accuracies between which checkpoints are `transition_every` apart
_LOSSES_HELD = 1024


class TrainingError(RuntimeError):
    """Training cannot start or go on; one sentence that says what to do."""


@dataclass(frozen=True)
class Progress:
    """Where training is. Losses over p + 1 logits; the test loss and accuracy are the last ones taken."""

    epoch: int
    train_loss: float
    test_loss: float | None
    test_accuracy: float | None


@dataclass(frozen=True)
class Checkpoint:
    """The model after `epoch` steps, and the curves since the checkpoint before.

    weights      : name -> float32, shaped as `shapes(config)`
    optimizer    : `exp_avg/NAME`, `exp_avg_sq/NAME` like the weights; `step` scalar
    train, test  : over the p residues' logits; test is None where there is no test set
    train_losses : (epochs since the checkpoint before,), each before its step, p + 1 logits
    test_epochs, test_losses : (n,), the test epochs among them, p + 1 logits
    """

    epoch: int
    weights: Arrays
    optimizer: Arrays
    train: Evaluation
    test: Evaluation | None
    train_losses: NDArray[np.float64]
    test_epochs: NDArray[np.int64]
    test_losses: NDArray[np.float64]


@dataclass(frozen=True)
class Start:
    """Where to begin instead of at the initialisation.

    optimizer   : as in `Checkpoint`, or None for a fresh one
    warmup_from : the epoch from which the warm-up counts
    announced   : the checkpoint at `epoch` is kept already: do not yield it again
    """

    epoch: int
    weights: Arrays
    optimizer: Arrays | None = None
    warmup_from: int = 0
    announced: bool = False


def resolve_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as a device. Raises `TrainingError` where there is no CUDA device."""
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device = cuda: PyTorch sees no CUDA device here; use --device cpu.")
    use_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_cuda else "cpu")


def device_names() -> dict[str, str]:
    """What each choice of `device` means on this machine, for people."""
    cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none here"
    return {"auto": "auto (CUDA)" if torch.cuda.is_available() else "auto (CPU)", "cpu": "CPU", "cuda": f"CUDA: {cuda}"}


class Trainer:
    """One run in memory: weights, optimiser and data on the training device."""

    def __init__(
        self,
        config: Config,
        start: Start | None = None,
        threads: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """dtype : float32 where it is not given

        Sets the calling thread's number of torch threads. Raises `TrainingError`.
        """
        self.threads = threads or physical_cores()
        torch.set_num_threads(self.threads)
        self.config, self.start = config, start
        self.device = resolve_device(config.device)
        self._refuse_what_does_not_fit()
        train, test = examples(config.operation, config.p, config.train_fraction, config.data_seed)
        self.train_batch, self.test_batch = Batch(train, self.device), Batch(test, self.device)
        values = initial_weights(config) if start is None else _tensors(start.weights)
        self.parameters = Parameters(config, values, self.device, dtype or torch.float32)
        self.step: Step = choose_step(config, self.parameters, self.train_batch, self.threads)
        if self.step.path == "structured":  # its lanes use the cores, one thread each
            torch.set_num_threads(1)
        self.optimizer = AdamW(self.parameters.flat, self.parameters.gradient, config)
        if start is not None and start.optimizer is not None:
            self._restore(start.optimizer)
        self.epoch = start.epoch if start is not None else 0
        self._warmup_from = start.warmup_from if start is not None else 0

    def _refuse_what_does_not_fit(self) -> None:
        """An honest error instead of a machine brought to its knees."""
        c = self.config
        sizes = [int(np.prod(shape)) for shape in shapes(c).values()]
        rows = c.n_train * (4 * c.d_mlp + 6 * c.d_vocab + 4 * c.d_model * (1 if c.n_layers == 1 else 9)) * c.n_layers
        need = 4 * (4 * sum(sizes) + rows) + 120 * c.n_pairs
        have = _memory_bytes(self.device)
        if need > have:
            raise TrainingError(
                f"p = {c.p}: training needs about {need / 2**30:.0f} GiB of memory and {have / 2**30:.0f} GiB "
                "are there; choose a smaller p, train_fraction or d_mlp."
            )

    def _restore(self, saved: Arrays) -> None:
        sizes, state = shapes(self.config), self.optimizer.state
        state["step"].fill_(float(saved["step"]))
        for moment in MOMENTS:
            tensors = _tensors({name: saved[f"{moment}/{name}"] for name in sizes})
            state[moment].copy_(torch.cat([tensors[name].reshape(-1) for name in sizes]))

    def rate(self) -> float:
        """Learning rate of the step about to be taken; 0 in the first one of a warm-up (paper, sec. 3)."""
        warm = (self.epoch - self._warmup_from) / self.config.warmup if self.config.warmup else 1.0
        return self.config.lr * min(warm, 1.0)

    def advance(self) -> torch.Tensor:
        """One epoch. -> the training loss before it, a float64 scalar on the device"""
        loss = self.step()
        self.optimizer.rate = self.rate()
        self.optimizer.step()
        self.epoch += 1
        return loss

    def weights(self) -> Arrays:
        return {name: w.detach().to("cpu", copy=True).numpy() for name, w in self.parameters.weights.items()}

    def optimizer_state(self) -> Arrays:
        """Both moments by parameter and the number of steps; zeros before the first step."""
        state = self.optimizer.state
        saved: Arrays = {"step": np.array(float(state["step"]))}
        for moment in MOMENTS:
            named = Parameters.named(state[moment], shapes(self.config))
            saved |= {f"{moment}/{name}": m.to("cpu", copy=True).numpy() for name, m in named.items()}
        return saved

    def environment(self) -> dict[str, str | int]:
        """What a bit-exact continuation must find again."""
        cuda = self.device.type == "cuda"
        return {
            "torch": torch.__version__,
            "device": self.device.type,
            "processor": torch.cuda.get_device_name(self.device) if cuda else platform.machine(),
            "threads": self.threads,
            "optimizer": "AdamW fused",
            "step_path": self.step.path,
            "kernels": self.step.kernels,
        }


def train(config: Config, start: Start | None = None, threads: int | None = None) -> Iterator[Progress | Checkpoint]:
    """Train, full batch, one step an epoch (paper, sec. 3).

    Yields a `Checkpoint` when one is due (the schedule is in `Config`; the last epoch always) and `Progress`
    after the first step that ends 50 ms or more after the last one. Raises `TrainingError`.
    """
    return events(Trainer(config, start, threads))


def events(trainer: Trainer) -> Iterator[Progress | Checkpoint]:
    """The generator behind `train`, for callers that need the trainer's environment first."""
    config = trainer.config
    held = torch.zeros(_LOSSES_HELD, dtype=torch.float64, device=trainer.device)
    n_held, train_losses = 0, []
    tests: list[tuple[int, float]] = []
    latest: Evaluation | None = None
    announced = trainer.start is not None and trainer.start.announced
    last_yield = time.perf_counter()

    def release() -> None:
        nonlocal n_held
        losses = held[:n_held].tolist()
        for i, loss in enumerate(losses):
            if not np.isfinite(loss):
                raise _not_finite(trainer.epoch - n_held + i)
        train_losses.extend(losses)
        n_held = 0

    while True:
        epoch = trainer.epoch
        forked = trainer.start is not None and epoch == trainer.start.epoch  # its first checkpoint
        scheduled = forked or _scheduled(config, epoch)
        if scheduled or _every(config.test_every, epoch) or _every(config.transition_every, epoch):
            latest = evaluate(trainer.step, trainer.test_batch)
        if not announced and (scheduled or _in_transition(config, epoch, latest)):
            release()
            if not bool(trainer.parameters.flat.isfinite().all()):
                raise _not_finite(epoch)
            yield checkpoint(trainer, latest, train_losses, tests)
            train_losses, tests = [], []
        announced = False
        if epoch >= config.epochs:
            return
        if _every(config.test_every, epoch) and latest is not None:
            tests.append((epoch, latest.loss_all_logits))
        held[n_held] = trainer.advance()
        n_held += 1
        if time.perf_counter() - last_yield >= YIELD_SECONDS:
            release()
            test = (None, None) if latest is None else (latest.loss_all_logits, latest.accuracy)
            yield Progress(trainer.epoch, train_losses[-1], *test)
            last_yield = time.perf_counter()
        elif n_held == _LOSSES_HELD:
            release()


def _every(spacing: int, epoch: int) -> bool:
    return spacing > 0 and epoch % spacing == 0


def _scheduled(config: Config, epoch: int) -> bool:
    dense = epoch < config.dense_until and _every(config.dense_every, epoch)
    return dense or _every(config.checkpoint_every, epoch) or epoch == config.epochs


def _in_transition(config: Config, epoch: int, test: Evaluation | None) -> bool:
    between = test is not None and TRANSITION[0] <= test.accuracy <= TRANSITION[1]
    return between and _every(config.transition_every, epoch)


def checkpoint(
    trainer: Trainer, test: Evaluation | None, losses: Sequence[float] = (), tests: Sequence[tuple[int, float]] = ()
) -> Checkpoint:
    """Where a trainer is.  losses, tests : of the curves since the checkpoint before"""
    train = evaluate(trainer.step, trainer.train_batch)
    assert train is not None  # Config promises at least one training pair
    return Checkpoint(
        epoch=trainer.epoch,
        weights=trainer.weights(),
        optimizer=trainer.optimizer_state(),
        train=train,
        test=test,
        train_losses=np.array(losses, dtype=np.float64),
        test_epochs=np.array([epoch for epoch, _ in tests], dtype=np.int64),
        test_losses=np.array([loss for _, loss in tests], dtype=np.float64),
    )


def _not_finite(epoch: int) -> TrainingError:
    return TrainingError(
        f"the loss is no longer finite at epoch {epoch}; the checkpoints before it are kept. Try a smaller lr."
    )


def _tensors(arrays: Arrays) -> Weights:
    return {name: torch.from_numpy(np.array(a)) for name, a in arrays.items()}


def _memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 2**63
