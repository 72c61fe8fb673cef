"""The verbs that need no Qt: train, densify, import, info, analyse, verify, bench."""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from engine.config import PRESETS, Config, ConfigError, hint, parse_setting, preset
from engine.runfile import Run, RunError
from engine.runwriter import NoSpace

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
BENCHES = {
    "step": "an epoch of training against the paper's code, and where its time goes",
    "growth": "time and memory of an epoch as p and d_mlp grow",
    "analysis": "measuring every checkpoint of a run, and one neuron",
    "neighbour": "an epoch beside another busy process",
    "checkpoints": "what keeping checkpoints costs",
    "lateness": "of the window's event loop while a run is trained and followed",
    "scrub": "from a move of the slider to the last picture",
    "following": "what an open, following window costs the training",
}
_LONG = 12  # entries of a list printed in full
_WAIT_FOR_SPACE = 1.0  # seconds between attempts


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line."""

    def error(self, message: str) -> NoReturn:
        """One line on stderr instead of the whole usage."""
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(USAGE)


def main(arguments: Sequence[str]) -> int:
    """Run one verb.  -> exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C"""
    from engine.training import TrainingError

    options = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ConfigError as error:
        print(f"grokscope: {error}", file=sys.stderr)
        return USAGE
    except (RunError, TrainingError) as error:
        print(f"grokscope: {error}", file=sys.stderr)
        return FAILED


def parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="grokscope",
        description="A microscope for grokking. Without a verb it opens the window; "
        "`main.py RUN.h5` opens it on a run.",
        epilog="Three more verbs draw: screenshot, figure and movie (see main.py figure --help). "
        "Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.",
    )
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int], help: str, **more: Any) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = verbs.add_parser(
            name, help=help, description=help, formatter_class=argparse.RawDescriptionHelpFormatter, **more
        )
        added.set_defaults(run=run)
        return added

    train = verb(
        "train", _train, "Train a model into a run file.",
        epilog="examples:\n"
        "  main.py train --out quick.h5\n"
        "  main.py train --out mine.h5 --preset paper --set weight_decay=0.5 model_seed=3\n"
        "  main.py train --resume mine.h5 --epochs 60000\n"
        "  main.py train --init mine.h5@5000 --out fork.h5 --set weight_decay=0\n\n"
        "settings (--set KEY=VALUE), with the values of --preset paper:\n" + _settings_help(),
    )  # fmt: skip
    where = train.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="RUN.h5", help="the new run file")
    where.add_argument("--resume", type=Path, metavar="RUN.h5", help="go on with this run, in place")
    train.add_argument("--init", metavar="RUN.h5[@EPOCH]", help="fork: start from a checkpoint of this run")
    train.add_argument(
        "--optimizer", choices=("kept", "fresh"),
        help="with --init: go on with the optimiser's state, or begin anew with a warm-up "
        "(default: kept if no setting that moves weights changes)",
    )  # fmt: skip
    train.add_argument("--preset", choices=tuple(PRESETS), help="settings to begin with (default: quick)")
    train.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="change settings",
    )
    train.add_argument("--epochs", type=int, metavar="N", help="the last epoch, always counted from epoch 0")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where to train")

    densify = verb(
        "densify", _densify, "Train a stretch of a run again, exactly, for checkpoints at every N epochs.",
        epilog="example:\n  main.py densify mine.h5 --from 9000 --to 10000 --every 5\n\n"
        "The run is not touched: the new checkpoints lie beside it, in mine.dense.h5, and are the run's from then\n"
        "on. Only what a stored checkpoint proves, reproduced bit for bit, is kept. Ctrl-C keeps what is proven.",
    )  # fmt: skip
    densify.add_argument("file", type=Path, metavar="RUN.h5")
    densify.add_argument("--from", type=int, metavar="A", dest="start", help="epoch (default: the run's first)")
    densify.add_argument("--to", type=int, metavar="B", dest="stop", help="epoch (default: the run's last)")
    densify.add_argument("--every", type=int, metavar="N", required=True, help="checkpoints at the multiples of N")

    imported = verb(
        "import", _import, "Read a model that others trained, such as the paper authors' .pth, into a run file.",
        epilog="example:\n  main.py import low_precision_mod_addition.pth --out authors.h5 --set data_seed=1\n\n"
        "What the file does not say is taken from --set, or is as in --preset paper (see main.py train --help).",
    )  # fmt: skip
    imported.add_argument("file", type=Path, metavar="FILE.pth")
    imported.add_argument("--out", type=Path, metavar="RUN.h5", required=True, help="the new run file")
    imported.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings",
        help="what the file does not say, such as data_seed=1",
    )  # fmt: skip
    imported.add_argument("--epoch", type=int, metavar="N", help="of a lone model without recorded losses")
    imported.set_defaults(epochs=None, device=None)

    info = verb("info", _info, "Say what is in a run file.")
    info.add_argument("file", type=Path, metavar="RUN.h5")
    info.add_argument("--json", action="store_true", help="print one JSON object")

    analyse = verb("analyse", _analyse, "Compute the progress measures of a run.")
    analyse.add_argument("file", type=Path, metavar="RUN.h5")
    which = analyse.add_mutually_exclusive_group()
    which.add_argument("--epoch", type=int, metavar="N", help="of the checkpoint (default: the last)")
    which.add_argument("--all", action="store_true", help="curves over all checkpoints, kept beside the run")
    analyse.add_argument(
        "--keys", metavar="K,K,…", help="frequencies of restricted and excluded losses "
        "(default: the key frequencies of the run's last checkpoint)",
    )  # fmt: skip
    analyse.add_argument("--json", action="store_true", help="print one JSON object")

    bench = verb(
        "bench", _bench, "Measure this program on this machine.",
        epilog="\n".join(f"  {name:11} {what}" for name, what in BENCHES.items()),
    )  # fmt: skip
    bench.add_argument("what", choices=tuple(BENCHES), metavar="WHAT", help="one of the names below")
    bench.add_argument("--json", action="store_true", help="print one JSON object")
    bench.add_argument("--run", type=Path, dest="run_file", metavar="RUN.h5", help="of `analysis` (default: trained)")
    bench.add_argument("--preset", choices=tuple(PRESETS), default="paper", help="of `step` (default: paper)")

    verify = verb("verify", _verify, "Check a run file: structure, commits and every checksum.")
    verify.add_argument("file", type=Path, metavar="RUN.h5")
    return top


def _settings_help() -> str:
    from dataclasses import fields

    lines = []
    for f in fields(Config):
        value = ",".join(map(str, f.default)) if isinstance(f.default, tuple) else f.default
        choices = f" ({', '.join(f.metadata['choices'])})" if f.metadata["choices"] else ""
        lines.append(f"  {f.name:17} {value!s:10} {f.metadata['help']}{choices}")
    return "\n".join(lines)


# -- train -------------------------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> int:
    from engine import recording

    settings = _settings(options)
    if options.resume is not None:
        for name in ("init", "preset", "settings", "optimizer"):
            if getattr(options, name):
                flag = "set" if name == "settings" else name
                raise ConfigError(f"--{flag}: a resumed run keeps its settings; to change them fork it with --init.")
        path = options.resume
        new = recording.resume(path, options.epochs, options.device, say=_say)
    elif options.init is not None:
        if options.preset:
            raise ConfigError("--preset: a fork takes its parent's settings; change them with --set.")
        path = options.out
        parent, epoch = _run_at(options.init)
        new = recording.fork(parent, path, epoch, settings, options.optimizer, say=_say)
    else:
        if options.optimizer:
            raise ConfigError("--optimizer: only with --init.")
        path = options.out
        config = preset(options.preset or "quick", **settings)
        if warning := hint(config):
            _say(f"Note: {warning}")
        new = recording.start(config, path)
    return _record(new, path)


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    settings = {}
    for text in options.settings:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set {text}: write it as KEY=VALUE.")
        settings[name.strip()] = parse_setting(name.strip(), value)
    for name in ("epochs", "device"):
        if getattr(options, name) is not None:
            settings[name] = getattr(options, name)
    return settings


def _run_at(text: str) -> tuple[Run, int | None]:
    """`RUN.h5` or `RUN.h5@EPOCH`."""
    name, at, epoch = text.rpartition("@")
    if at and not Path(text).exists():
        if not epoch.isdigit():
            raise ConfigError(f"--init {text}: the epoch after @ must be a whole number.")
        return Run.open(name), int(epoch)
    return Run.open(text), None


def _record(new: Any, path: Path) -> int:
    """Train to the end or to Ctrl-C, with a progress bar."""
    config: Config = new.trainer.config
    environment = new.trainer.environment()
    with _stop_on_signals() as stop:
        _say(
            f"Training {config.operation} mod {config.p} on {environment['device']} "
            f"({environment['threads']} threads, {environment['step_path']} step) into {path}"
        )
        events = new.events()
        try:
            _follow(events, stop, _progress_bar(config.epochs, new.start_epoch))
        finally:
            events.close()
    if new.run.status().state != "finished":
        last = new.run.epochs[-1] if new.run.n_checkpoints else None
        kept = f"kept up to epoch {last}" if last is not None else "no checkpoint was reached"
        _say(f"Stopped; {kept}. Go on with: python main.py train --resume {path}")
        return INTERRUPTED
    _say(_summary(new.run))
    return DONE


def _densify(options: argparse.Namespace) -> int:
    from engine.densify import densify, plan

    run = Run.open(options.file)
    first, last = run.epochs[[0, -1]].tolist() if run.n_checkpoints else (0, 0)
    start = first if options.start is None else options.start
    stop = last if options.stop is None else options.stop
    wanted = plan(run, start, stop, options.every)
    stretch = f"{options.file}: {start} to {stop}, every {options.every} epochs"
    if not wanted.wanted:
        _say(f"{stretch}: every checkpoint is there already.")
        return DONE
    _say(f"{stretch}: {len(wanted.wanted)} new checkpoints, training again from {wanted.begin} to {wanted.end}.")
    kept, events = 0, densify(run, wanted, _say)
    with _stop_on_signals() as stop_event, _progress_bar(wanted.end, wanted.begin) as bar:
        for event in events:
            bar.update(event.epoch - bar.n)
            kept = event.kept
            if stop_event.is_set():
                break
        events.close()
    stopped = stop_event.is_set() and kept < len(wanted.wanted)
    proof = "every stored checkpoint on the way was reproduced bit for bit"
    _say(f"{'Stopped; ' * stopped}{kept} checkpoints added to {run.path}: {proof}.")
    return INTERRUPTED if stopped else DONE


def _progress_bar(epochs: int, begin: int) -> Any:
    tty = sys.stderr.isatty()
    return tqdm(
        total=epochs, initial=begin, unit=" epochs", file=sys.stderr, dynamic_ncols=tty,
        mininterval=0.1 if tty else 10, smoothing=0.1,
        bar_format="{percentage:3.0f} % |{bar:20}| {n}/{total} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]",
    )  # fmt: skip


def _follow(events: Iterable[Any], stop: threading.Event, bar: Any) -> None:
    """Show the events until they end or `stop` is set; wait where the disk is full."""
    from engine.training import Checkpoint, Progress

    waiting = False
    with bar:
        for event in events:
            if stop.is_set():
                return
            if isinstance(event, NoSpace):
                if not waiting:
                    bar.write(f"{event}: paused, waiting for space. Ctrl-C stops; nothing is lost.", sys.stderr)
                waiting = True
                stop.wait(_WAIT_FOR_SPACE)
                continue
            if waiting:
                bar.write("There is space again: going on.", sys.stderr)
                waiting = False
            if isinstance(event, Progress):
                test = "" if event.test_loss is None else f", test {event.test_loss:.2e}"
                bar.set_postfix_str(f"train {event.train_loss:.2e}{test}", refresh=False)
            if isinstance(event, Progress | Checkpoint):
                bar.update(event.epoch - bar.n)


@contextmanager
def _stop_on_signals() -> Any:
    """Ctrl-C and a polite kill set the event; the training loop looks at it between events."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


# -- import ------------------------------------------------------------------------------------------------


def _import(options: argparse.Namespace) -> int:
    from engine import imports

    epoch = [text for text in options.settings if text.replace(" ", "").startswith("epoch=")]
    options.settings = [text for text in options.settings if text not in epoch]
    if epoch:
        value = epoch[-1].partition("=")[2].strip()
        if not value.isdigit():
            raise ConfigError(f"--set epoch={value}: must be a whole number from 0.")
        options.epoch = int(value)
    run = imports.import_run(options.file, options.out, _settings(options), options.epoch, _say)
    _say(_summary(run))
    return DONE


# -- info, verify ------------------------------------------------------------------------------------------


def _facts(run: Run) -> dict[str, Any]:
    """What `info` prints; the losses and accuracies are the last checkpoint's own, over p logits."""
    status = run.status()

    def last(name: str) -> float | None:
        values = run.scalars(name)
        return float(values[-1]) if values is not None and len(values) else None

    return {
        "file": str(run.path),
        "run_id": run.id,
        "status": status.state,
        "message": status.message,
        "config": asdict(run.config),
        "n_checkpoints": run.n_checkpoints,
        "n_replayed": len(run.dense_epochs),
        "replayed_trouble": run.dense_trouble,
        "epochs": run.epochs.tolist(),
        "train_loss": last("train_loss"),
        "test_loss": last("test_loss"),
        "train_accuracy": last("train_accuracy"),
        "test_accuracy": last("test_accuracy"),
        "step_path": run.segments[-1].get("step_path") if run.segments else None,
        "origin": asdict(run.origin),
        "segments": run.segments,
        "bytes": run.path.stat().st_size,
    }


def _info(options: argparse.Namespace) -> int:
    run = Run.open(options.file)
    facts = _facts(run)
    if options.json:
        print(json.dumps(facts))
        return DONE
    config = facts.pop("config")
    epochs = facts.pop("epochs")
    facts["epochs"] = f"{epochs[0]} to {epochs[-1]}" if epochs else "none yet"
    facts["segments"] = "; ".join(f"{s['from_epoch']}…: {s['device']}, torch {s['torch']}" for s in facts["segments"])
    for key, value in (facts | {"config": ""} | {f"  {k}": v for k, v in config.items()}).items():
        print(f"{key:18} {'—' if value is None else value}")
    return DONE


def _verify(options: argparse.Namespace) -> int:
    run = Run.open(options.file)
    wrong = run.checksum_errors() + ([run.dense_trouble] if run.dense_trouble else [])
    for line in wrong:
        about = "" if line.startswith(str(options.file)) else f"{options.file}: "
        print(f"grokscope: {about}{line}", file=sys.stderr)
    if wrong:
        return FAILED
    replayed = f" ({len(run.dense_epochs)} of them replayed)" if len(run.dense_epochs) else ""
    checkpoints = f"{run.n_checkpoints} checkpoints{replayed}"
    print(f"{options.file} is sound: {checkpoints}, all checksums match. {run.status().state}.")
    return DONE


# -- analyse, bench ----------------------------------------------------------------------------------------


def _analyse(options: argparse.Namespace) -> int:
    from engine.analysis.measures import key_frequencies
    from engine.analysis.summary import summary
    from engine.lanes import choose_analysis_cores, physical_cores
    from engine.later import torch

    run = Run.open(options.file)
    if not run.n_checkpoints:
        raise RunError(f"{options.file} has no checkpoint yet.")
    choose_analysis_cores(physical_cores())
    torch.set_num_threads(physical_cores())  # for models that take the general path
    keys = _keys(options.keys, run)
    if keys is None:
        keys = key_frequencies(run, run.n_checkpoints - 1)
    if options.all:
        found = _curves(run, keys)
    else:
        step = run.n_checkpoints - 1 if options.epoch is None else run.step_at(options.epoch)
        found = summary(run, step, keys)
    if options.keys is None:
        found["keys_from_epoch"] = int(run.epochs[-1])
    if options.json:
        print(json.dumps(_finite(found)))
        return DONE
    for key, value in found.items():
        if isinstance(value, list) and len(value) > _LONG:
            value = f"{len(value)} values (--json prints them)"
        elif isinstance(value, dict):
            value = "  ".join(f"{name}: {_figure(x)}" for name, x in value.items())
        print(f"{key:40} {'—' if value is None or value == '' else _figure(value)}")
    return DONE


def _keys(text: str | None, run: Run) -> tuple[int, ...] | None:
    if text is None:
        return None
    from engine.analysis.characters import NoBasis, characters

    try:
        most = characters(run.config).n // 2
    except NoBasis as why:
        raise ConfigError(f"--keys: {why}") from None
    parts = text.replace(" ", "").split(",")
    if not all(part.isdigit() and 1 <= int(part) <= most for part in parts):
        raise ConfigError(f"--keys {text}: write frequencies from 1 to {most}, with commas between.")
    return tuple(sorted({int(part) for part in parts}))


def _curves(run: Run, keys: tuple[int, ...]) -> dict[str, Any]:
    """Measures of all checkpoints, computed where they are missing."""
    from engine.traces import Traces, measure_all

    traces = Traces(run)
    missing = len(traces.missing(keys))
    interval = 0.1 if sys.stderr.isatty() else 10
    with tqdm(total=missing, unit=" checkpoints", file=sys.stderr, disable=not missing, mininterval=interval) as bar:
        for _ in measure_all(traces, keys):
            bar.update()
    try:
        return traces.curves(keys) | {"kept_in": str(traces.path) if traces.kept else None}
    finally:
        traces.close()


def _finite(value: Any) -> Any:
    """NaN and infinities as null: JSON has none."""
    if isinstance(value, dict):
        return {key: _finite(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _bench(options: argparse.Namespace) -> int:
    """The measurements that need no window; `main.py` sends the others to the app."""
    from engine import bench

    found: Any
    if options.what == "step":
        found = asdict(bench.step(preset(options.preset)))
    elif options.what == "analysis":
        found = asdict(bench.analysis(options.run_file))
    elif options.what == "growth":
        found = {"sizes": [asdict(row) for row in bench.growth()]}
    else:
        found = asdict(bench.neighbour() if options.what == "neighbour" else bench.checkpoints())
    print_bench(found, options.json)
    return DONE


def print_bench(found: dict[str, Any], as_json: bool) -> None:
    """One JSON object, or a line for each figure."""
    if as_json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        rows = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        if not rows:
            print(f"{key:24} {_figure(value)}")
        for row in rows:
            print(f"{key:24} " + "  ".join(f"{name} {_figure(x)}" for name, x in row.items()))


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _summary(run: Run) -> str:
    facts = _facts(run)
    losses = ", ".join(
        f"{name.replace('_', ' ')} {facts[name]:.3g}"
        for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
        if facts[name] is not None
    )
    at = f"epoch {facts['epochs'][-1]}: {losses}" if facts["epochs"] else "no checkpoint"
    return f"{run.path}: {facts['status']}, {run.n_checkpoints} checkpoints, {at}."


def _say(text: str) -> None:
    print(text, file=sys.stderr)
