"""Runs that other programs trained, on their way into a run file. Another format is one more line in `FORMATS`."""

from __future__ import annotations

import itertools
import platform
import re
import stat
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.config import Config, ConfigError, preset
from engine.models.transformer import N_CTX
from engine.runfile import Arrays, Origin, Run, RunError
from engine.runwriter import write_whole
from engine.step import Batch, Evaluation, GeneralStep, Parameters, evaluate
from engine.tasks import examples
from engine.training import Checkpoint

Say = Callable[[str], None]
RECENT = 20  # recorded train losses among which the recomputed one should lie
WIDENED = 1.5  # their range, at both ends
_LARGEST = 2**53  # a whole number that counts something is below it
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Imported:
    """What a file says of a run, before anything is derived from it.

    epochs  : of every entry of `weights`, ascending; empty where the file does not say (one model, no losses)
    weights : name -> float32 array, named and oriented as in `shapes(config)`, finite
    train_losses, test_losses : as recorded, over p + 1 logits, or None.  (n,) float64
    """

    epochs: tuple[int, ...]
    weights: tuple[Arrays, ...]
    train_losses: NDArray[np.float64] | None
    test_losses: NDArray[np.float64] | None


@dataclass(frozen=True)
class Format:
    """A way in which others store a run in a PyTorch file.

    name       : goes into the run file
    recognises : whether the file's content, plain numbers, tensors, lists and dictionaries, is of this format
    read       : (path, content) -> the run. Raises `RunError`
    """

    name: str
    recognises: Callable[[object], bool]
    read: Callable[[Path, Any], Imported]


def import_run(path: str | Path, out: str | Path, settings: Mapping[str, Any], epoch: int | None, say: Say) -> Run:
    """Read somebody else's model file into the new run file `out`, all or nothing.

    settings : what the file does not say, such as data_seed; the others are the paper's
    epoch    : of a lone model without recorded train losses; None otherwise
    say      : told what was recomputed, what was left out, and whether the losses agree
    Raises `RunError` for a file that cannot be read or written, `ConfigError` for a setting that contradicts it.
    """
    path = Path(path)
    kind, content = _recognised(path)
    found = kind.read(path, content)
    epochs = _epochs(path, found, epoch)
    curves = _curves(found, epochs[-1])
    config = _config(path, found, epochs[-1], curves, settings)
    if curves.test_losses is not None and not config.n_test:
        curves = replace(curves, test_losses=None, left_out=(*curves.left_out, "the test losses: no pair is tested on"))
    environment = {
        "torch": torch.__version__,
        "device": "imported",
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "optimizer": "none",
        "step_path": "imported",
        "imported_from": path.name,
        "imported_format": kind.name,
    }
    write_whole(
        out, config, Origin(optimizer="unknown"), environment, _checkpoints(config, epochs, found, curves), curves.names
    )
    say(f"Imported {path} ({kind.name}): {_described(config, len(epochs))}.")
    for what in curves.left_out:
        say(f"Left out {what}.")
    say(_verdict(found, epochs[-1], _judge(config)(found.weights[-1])[0], config))
    return Run.open(out)


# -- what the file does not say ----------------------------------------------------------------------------


def _epochs(path: Path, found: Imported, asked: int | None) -> tuple[int, ...]:
    """The epochs of the checkpoints, with `asked` where the file has none."""
    if not found.epochs:
        if asked is None:
            raise ConfigError(f"{path} does not say at which epoch its model was saved; give it with --epoch N.")
        if not 0 <= asked < _LARGEST:
            raise ConfigError(f"epoch = {asked}: must be a whole number, at least 0.")
        return (asked,)
    if asked is not None and found.epochs != (asked,):
        known = f"epoch {found.epochs[0]}" if len(found.epochs) == 1 else "epochs of its own"
        raise ConfigError(f"epoch = {asked}: {path} has {known}; leave out --epoch.")
    return found.epochs


def _config(path: Path, found: Imported, last: int, curves: _Curves, settings: Mapping[str, Any]) -> Config:
    """The paper's settings, those of the file, and `settings` where the file is silent. Raises `ConfigError`."""
    w = found.weights[0]
    layers, heads, d_model, d_head = w["W_Q"].shape
    stored: dict[str, Any] = {
        "p": len(w["W_E"]) - 1, "d_model": d_model, "n_heads": heads, "d_head": d_head, "d_mlp": w["W_in"].shape[-1],
        "n_layers": layers, "layer_norm": "ln_final_w" in w, "epochs": last,
    }  # fmt: skip
    if curves.test_every is not None:
        stored["test_every"] = curves.test_every
    settings = {name: value for name, value in settings.items() if value is not None}  # d_head: none
    for name, value in stored.items():
        if settings.get(name, value) != value:
            raise ConfigError(f"{name} = {settings[name]}: {path} has {name} = {value}; leave it out of --set.")
    return preset("paper", **{**settings, **stored})


@dataclass(frozen=True)
class _Curves:
    """The recorded losses that a run file can hold.

    train_losses : (last epoch,), before each step; None if there are none or they do not fit
    test_losses  : at the multiples of `test_every` below the last epoch; or None
    left_out     : what does not fit, and why
    """

    train_losses: NDArray[np.float64] | None = None
    test_losses: NDArray[np.float64] | None = None
    test_every: int | None = None
    left_out: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Datasets that the run file has of them."""
        train = () if self.train_losses is None else ("train_loss",)
        return train if self.test_losses is None else (*train, "test_epoch", "test_loss")


def _curves(found: Imported, last: int) -> _Curves:
    """A run file holds a train loss of every epoch up to the last checkpoint, and test losses at even spacing."""
    train, test = found.train_losses, found.test_losses
    if train is None:
        said = ("the test losses: without train losses their epochs are not known",)
        return _Curves() if test is None else _Curves(left_out=said)
    if len(train) < last:
        return _Curves(left_out=(f"the recorded losses: {len(train)} train losses do not reach epoch {last}",))
    if not np.isfinite(train).all():
        return _Curves(left_out=("the recorded losses: some train losses are not finite",))
    left_out: tuple[str, ...] = ()
    if len(train) > last:
        left_out = (f"the losses recorded after the last checkpoint, at epoch {last}",)
    every = None if test is None else _spacing(len(train), len(test))
    if test is not None and every is None:
        left_out += (f"the test losses: {len(test)} are not evenly spaced over {len(train)} epochs",)
    if test is not None and not np.isfinite(test).all():
        every, left_out = None, (*left_out, "the test losses: some are not finite")
    tests = None if test is None or every is None else test[: -(-last // every)]
    return _Curves(train[:last], tests, every, left_out)


def _spacing(epochs: int, tests: int) -> int | None:
    """The spacing whose multiples from 0 to below `epochs` are so many; None if there is none, or more than one."""
    if not 0 < tests <= epochs:
        return None
    every = -(-epochs // tests)
    fits = -(-epochs // every) == tests
    alone = epochs % tests == 0 or -(-epochs // (every + 1)) != tests
    return every if fits and alone else None


# -- what is recomputed ------------------------------------------------------------------------------------

_Judge = Callable[[Arrays], tuple[Evaluation, Evaluation | None]]


def _judge(config: Config) -> _Judge:
    """weights -> how they do on the training and on the test pairs, by the float64 forward pass."""
    train, test = (
        Batch(pairs, _CPU)
        for pairs in examples(config.operation, config.p, config.train_fraction, config.data_seed)
    )  # fmt: skip

    def judge(weights: Arrays) -> tuple[Evaluation, Evaluation | None]:
        tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
        step = GeneralStep(config, Parameters(config, tensors, _CPU, torch.float64), train)
        trained = evaluate(step, train)
        assert trained is not None  # Config promises at least one training pair
        return trained, evaluate(step, test)

    return judge


def _checkpoints(config: Config, epochs: Sequence[int], found: Imported, curves: _Curves) -> Iterator[Checkpoint]:
    """One for each model, with its stretch of the curves; without an optimiser's state."""
    judge = _judge(config)
    begin, every = 0, config.test_every
    nothing = np.zeros(0)
    for epoch, weights in zip(epochs, found.weights, strict=True):
        trained, tested = judge(weights)
        tests = range(-(-begin // every), -(-epoch // every)) if curves.test_losses is not None else range(0)
        yield Checkpoint(
            epoch=epoch,
            weights=weights,
            optimizer={},
            train=trained,
            test=tested,
            train_losses=nothing if curves.train_losses is None else curves.train_losses[begin:epoch],
            test_epochs=np.array(tests, dtype=np.int64) * every,
            test_losses=nothing if curves.test_losses is None else curves.test_losses[tests.start : tests.stop],
        )
        begin = epoch


def _described(config: Config, models: int) -> str:
    count = f"{models} checkpoints" if models > 1 else "one checkpoint"
    return (
        f"{config.operation} mod {config.p}, {count}; taken as trained on {config.train_fraction:g} of the pairs "
        f"with data_seed {config.data_seed}"
    )


def _verdict(found: Imported, epoch: int, trained: Evaluation, config: Config) -> str:
    """Whether the last model's train loss agrees with the losses recorded up to its epoch, in words."""
    loss = trained.loss_all_logits
    begin = f"The train loss recomputed from the last model over {config.d_vocab} logits, {loss:.4g},"
    recorded = None if found.train_losses is None else found.train_losses[: epoch + 1][-RECENT:]
    if recorded is None or not np.isfinite(recorded).all():
        which = "no" if recorded is None else "no finite"
        return f"{begin} cannot be compared: the file has {which} train losses, so seed and fraction are unproven."
    low, high = float(recorded.min()), float(recorded.max())
    span = f"the range of the last {len(recorded)} recorded ones, {low:.4g} to {high:.4g}, widened by {WIDENED}"
    if low / WIDENED <= loss <= high * WIDENED:
        return f"{begin} lies within {span}."
    return (
        f"{begin} lies outside {span}: data_seed = {config.data_seed}, train_fraction = {config.train_fraction:g} "
        f"or operation = {config.operation} is probably not this model's; import again with --set."
    )


# -- PyTorch files -----------------------------------------------------------------------------------------


def _recognised(path: Path) -> tuple[Format, object]:
    """The format of a file and what is in it. Raises `RunError`."""
    content = _content(path)
    for kind in FORMATS:
        if kind.recognises(content):
            return kind, content
    keys = f" with {', '.join(map(_shown, list(content)[:6])) or 'nothing in it'}" if isinstance(content, dict) else ""
    raise RunError(
        f"{path} holds a {type(content).__name__}{keys}; a model file holds `model`, or `state_dicts` with `epochs`."
    )


def _content(path: Path) -> object:
    """What a PyTorch file holds, if that is plain data: PyTorch's restricted reader runs nothing. Raises `RunError`."""
    head = b""
    with _opened(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about how it was pickled
        try:
            head = file.read(4)
            file.seek(0)
            content: object = torch.load(file, map_location="cpu", weights_only=True)
            return content
        except MemoryError:
            raise RunError(f"{path} does not fit into memory.") from None
        except Exception as error:  # whatever the bytes of a stranger provoke
            raise RunError(f"{path} {_why_not(head, error)}") from None


def _opened(path: Path) -> BinaryIO:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise RunError(f"{path} is not a file; give a model file such as model.pth.")
        return open(path, "rb")
    except FileNotFoundError:
        raise RunError(f"{path} does not exist; check the name.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def _why_not(head: bytes, error: Exception) -> str:
    """What is wrong with a file that begins with `head`, as the end of a sentence that begins with its name."""
    if not head:
        return "is empty; it is not a model file."
    code = re.search(r"GLOBAL:? ([\w.]+)", str(error))
    if code:
        return f"names Python code ({code[1]}) beside tensors, lists and numbers; none of it was run, nothing imported."
    if head.startswith(b"PK"):
        return "is cut short or damaged; fetch it again."
    return "is not a PyTorch file of tensors, lists and numbers, or it is damaged; save it again with torch.save."


def _shown(key: object) -> str:
    """A name out of the file, on one line."""
    text = str(key) if isinstance(key, str) and key.isprintable() else repr(key)
    return text if len(text) <= 40 else text[:39] + "…"


# -- the authors' format -----------------------------------------------------------------------------------

_ATTENTION = ("W_K", "W_Q", "W_V", "W_O")
_MLP = ("W_in", "b_in", "W_out", "b_out")


def read_authors(path: str | Path) -> Imported:
    """The paper authors' file: `model` alone, or `state_dicts` with `epochs`; `train_losses`, `test_losses`.

    Nothing in the file is executed. Raises `RunError`.
    """
    path = Path(path)
    return _authors(path, _content(path))


def _is_authors(content: object) -> bool:
    return isinstance(content, dict) and ("model" in content or "state_dicts" in content)


def _authors(path: Path, content: Any) -> Imported:
    if not _is_authors(content):
        raise RunError(f"{path} has neither `model` nor `state_dicts`; it is not a model file of the paper's authors.")
    train, test = (_losses(path, content, name) for name in ("train_losses", "test_losses"))
    if "state_dicts" not in content:
        weights = (_weights(path, "model", content["model"]),)
        return Imported(() if train is None else (len(train),), weights, train, test)
    states = content["state_dicts"]
    if not isinstance(states, list | tuple) or not states:
        raise RunError(f"{path}: `state_dicts` is not a list of models.")
    epochs = _stored_epochs(path, content, len(states))
    models = [_weights(path, f"state_dicts[{i}]", state) for i, state in enumerate(states)]
    for i, model in enumerate(models):
        for name, value in model.items():
            if name not in models[0] or value.shape != models[0][name].shape:
                raise RunError(f"{path}: state_dicts[{i}] is of another size than the first; a run has one model.")
    return Imported(epochs, tuple(models), train, test)


def _stored_epochs(path: Path, content: Mapping[str, Any], n: int) -> tuple[int, ...]:
    if "epochs" not in content:
        raise RunError(f"{path} has `state_dicts` but no `epochs`: when they were saved is not known.")
    stored = content["epochs"]
    epochs = stored.tolist() if isinstance(stored, Tensor) and _is_plain(stored) else stored
    if not isinstance(epochs, list | tuple) or any(type(e) is not int or not 0 <= e < _LARGEST for e in epochs):
        raise RunError(f"{path}: `epochs` is not a list of whole numbers.")
    if len(epochs) != n:
        raise RunError(f"{path} has {n} `state_dicts` but {len(epochs)} `epochs`.")
    if any(a >= b for a, b in itertools.pairwise(epochs)):
        raise RunError(f"{path}: its `epochs` do not ascend.")
    return tuple(epochs)


def _losses(path: Path, content: Mapping[str, Any], name: str) -> NDArray[np.float64] | None:
    """Recorded losses: numbers, scalar tensors or one tensor.  -> (n,); None if there are none"""
    stored = content.get(name)
    values = list(stored) if isinstance(stored, list | tuple) else stored
    if isinstance(values, Tensor) and _is_plain(values) and values.dim() == 1:
        values = values.tolist()
    if values is None or values == []:
        return None
    if isinstance(values, list):
        scalars = [v.item() if isinstance(v, Tensor) and _is_plain(v) and v.numel() == 1 else v for v in values]
        if all(type(v) is float or (type(v) is int and abs(v) < _LARGEST) for v in scalars):
            return np.array(scalars, dtype=np.float64)
    raise RunError(f"{path}: `{name}` is not a list of numbers.")


def _weights(path: Path, where: str, state: object) -> Arrays:
    """One state dict of the authors in our names and orientation; the causal masks are not weights.

    Theirs, in their released code: W_E (d_model, d_vocab); W_K, W_Q, W_V (n_heads, d_head, d_model);
    W_O (d_model, n_heads · d_head); W_in (d_mlp, d_model); W_out (d_model, d_mlp).
    """
    if not isinstance(state, dict):
        raise RunError(f"{path}: {where} is a {type(state).__name__}, not a table of tensors.")
    theirs = {key: value for key, value in state.items() if not (isinstance(key, str) and key.endswith(".attn.mask"))}
    matches = (re.match(r"blocks\.(\d{1,4})\.", key) for key in theirs if isinstance(key, str))
    layers = max(1, len({match[1] for match in matches if match}))
    w = _checked(path, where, theirs, layers)

    def stacked(part: str, name: str, turn: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
        return torch.stack([turn(w[f"blocks.{layer}.{part}.{name}"]) for layer in range(layers)])

    heads, d_head, d_model = w["blocks.0.attn.W_Q"].shape
    ours = {"W_E": w["embed.W_E"].T, "W_pos": w["pos_embed.W_pos"]}  # their orientation ends here
    for name in ("W_Q", "W_K", "W_V"):
        ours[name] = stacked("attn", name, lambda x: x.transpose(1, 2))
    ours["W_O"] = stacked("attn", "W_O", lambda x: x.T.reshape(heads, d_head, d_model))
    ours["W_in"] = stacked("mlp", "W_in", lambda x: x.T)
    ours["b_in"] = stacked("mlp", "b_in")
    ours["W_out"] = stacked("mlp", "W_out", lambda x: x.T)
    ours["b_out"] = stacked("mlp", "b_out")
    ours["W_U"] = w["unembed.W_U"]
    return {name: value.contiguous().numpy() for name, value in ours.items()}


def _checked(path: Path, where: str, theirs: Mapping[Any, object], layers: int) -> dict[str, Tensor]:
    """The tensors of a state dict as float32, if there are just those of a model of so many layers, and finite."""
    blocks = range(layers)
    names = [
        "embed.W_E", "pos_embed.W_pos", "unembed.W_U",
        *(f"blocks.{i}.attn.{name}" for i in blocks for name in _ATTENTION),
        *(f"blocks.{i}.mlp.{name}" for i in blocks for name in _MLP),
    ]  # fmt: skip
    for name in names:
        if name not in theirs:
            raise RunError(f"{path}: {where} has no {name}; it is not a model of this kind, or not a whole one.")
    for key, value in theirs.items():
        if key not in names:
            raise RunError(f"{path}: {where} has {_shown(key)}, a parameter that this program's model does not have.")
        if not isinstance(value, Tensor) or not _is_plain(value) or not value.is_floating_point():
            raise RunError(f"{path}: {where}, {key} is not a tensor of floating-point numbers.")
    w = {name: value for name, value in theirs.items() if isinstance(value, Tensor)}
    for name, size in _shapes(path, where, w, layers).items():
        if tuple(w[name].shape) != size:
            raise RunError(f"{path}: {where}, {name} has shape {tuple(w[name].shape)}, not {size} as the others ask.")
    w = {name: value.detach().float() for name, value in w.items()}
    for name, value in w.items():
        if not bool(value.isfinite().all()):
            raise RunError(f"{path}: {where}, {name} is not finite (NaN or infinite); the training had failed.")
    return w


def _shapes(path: Path, where: str, w: Mapping[str, Tensor], layers: int) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor, from the sizes that W_E, W_Q and W_in tell."""
    for name, dims in (("embed.W_E", 2), ("blocks.0.attn.W_Q", 3), ("blocks.0.mlp.W_in", 2)):
        shape = tuple(w[name].shape)
        if len(shape) != dims or 0 in shape:
            raise RunError(f"{path}: {where}, {name} has shape {shape}, which has not {dims} sizes above 0.")
    d_model, d_vocab = w["embed.W_E"].shape
    heads, d_head, _ = w["blocks.0.attn.W_Q"].shape
    d_mlp = len(w["blocks.0.mlp.W_in"])
    if d_vocab < 3:
        raise RunError(f"{path}: {where}, embed.W_E has {d_vocab} tokens; there must be p residues, at least 2, and =.")
    shapes: dict[str, tuple[int, ...]] = {
        "embed.W_E": (d_model, d_vocab),
        "pos_embed.W_pos": (N_CTX, d_model),
        "unembed.W_U": (d_model, d_vocab),
    }
    for layer in range(layers):
        attention, mlp = f"blocks.{layer}.attn", f"blocks.{layer}.mlp"
        shapes |= {f"{attention}.{name}": (heads, d_head, d_model) for name in ("W_K", "W_Q", "W_V")}
        shapes |= {f"{attention}.W_O": (d_model, heads * d_head)}
        shapes |= {f"{mlp}.W_in": (d_mlp, d_model), f"{mlp}.b_in": (d_mlp,)}
        shapes |= {f"{mlp}.W_out": (d_model, d_mlp), f"{mlp}.b_out": (d_model,)}
    return shapes


def _is_plain(tensor: Tensor) -> bool:
    """Whether its numbers are all in memory: not sparse, not nested, not one number stretched to many."""
    if tensor.layout != torch.strided or tensor.is_nested or tensor.device.type != "cpu":
        return False
    return tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()


AUTHORS = Format("the paper authors' PyTorch file", _is_authors, _authors)
FORMATS = (AUTHORS,)
