"""The lottery: tickets against plain sums, planted winners, and chance against counting every case."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.characters import characters
from engine.analysis.embedding import MATRICES, spectrum
from engine.analysis.lottery import SCORES, SIZES, Rank, Tickets, rank_of, spearman, tickets, worth
from engine.analysis.neuron import neuron_logit_map, neuron_report
from engine.analysis.neurons import frequency_powers
from engine.analysis.progress_curves import pinned_keys
from engine.analysis.race import NEURONS, race, ranks
from engine.analysis.standings import WHERE, lottery
from engine.analysis.waves import spectra, waves
from engine.config import Config
from engine.recording import start
from engine.replay import activations
from engine.runfile import Run
from engine.traces import Traces

MakeRun = Callable[..., Run]
KINDS = ({}, {"p": 8}, {"operation": "subtract"}, {"operation": "multiply"}, {"n_layers": 2})


def small(**changes: object) -> Config:
    return Config(**({"p": 7, "train_fraction": 0.5, "d_model": 8, "n_heads": 2, "d_mlp": 12} | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = Config(p=11, train_fraction=0.6, d_model=16, n_heads=2, d_mlp=24, lr=1e-2, epochs=60, checkpoint_every=20)
    path = tmp_path_factory.mktemp("lottery") / "run.h5"
    for _ in start(config, path).events():
        pass
    return Run.open(path, probe=False)


@pytest.mark.parametrize("changes", KINDS)
def test_that_tickets_are_the_plain_sums(changes: dict[str, object], random_run: MakeRun) -> None:
    config = small(**changes)
    run, x = random_run(config), characters(config)
    found = tickets(run, 0, 0)
    post, w_l = activations(run, 0).mlp_post[-1], neuron_logit_map(run, 0)
    a, b = np.divmod(np.arange(config.p**2), config.p)
    place = {int(e): i for i, e in enumerate(x.elements)}
    there = [n for n in range(len(a)) if a[n] in place and b[n] in place]
    s = np.array([place[int(a[n])] + x.sign * place[int(b[n])] for n in there])
    for k in range(1, x.n // 2 + 1):
        w = 2 * np.pi * k / x.n
        read = (post[there] * np.exp(-1j * w * s)[:, None]).sum(axis=0)
        written = (w_l[x.elements] * np.exp(-1j * w * np.arange(x.n))[:, None]).sum(axis=0)
        assert np.allclose(found.magnitude[:, k - 1], np.abs(read), atol=1e-9)
        assert np.allclose(found.output[:, k - 1], np.abs(written), atol=1e-9)
        apart = np.angle(np.exp(1j * (np.angle(written) - np.angle(read) - found.misalignment[:, k - 1])))
        assert np.abs(apart[np.abs(read) > 1e-6]).max(initial=0) < 1e-7
        scale = (1 if 2 * k == x.n else 2) / x.n**3
        assert found.sizes["votes"][0, k - 1] == pytest.approx(scale * found.score("vote")[:, k - 1].sum(), abs=1e-12)
    assert found.frequency.tolist() == waves(post, x).frequency.tolist()


def test_that_a_neurons_ticket_agrees_with_its_report(trained: Run) -> None:
    found = tickets(trained, 0, 3)
    for index in range(0, 24, 5):
        wave = neuron_report(trained, 0, 0, index).wave
        assert wave is not None
        if wave.frequency and wave.misalignment is not None:
            there = np.degrees(found.misalignment[index, wave.frequency - 1])
            assert there == pytest.approx(wave.misalignment, abs=1e-6)
        end = neuron_report(trained, 3, 0, index).wave
        assert end is not None
        assert (end.frequency, end.fve) == (found.frequency[index], pytest.approx(found.fve[index], rel=1e-9))


def test_that_sizes_are_those_of_the_spectra_at_both_ends(trained: Run) -> None:
    found = tickets(trained, 1, 3)
    assert (found.first, found.last) == (int(trained.epochs[1]), int(trained.epochs[3]))
    for i, step in enumerate((1, 3)):
        for which in MATRICES:
            assert np.allclose(found.sizes[which][i], spectrum(trained, step, 3, which).norm)
        energy = frequency_powers(activations(trained, step).mlp_post[-1], 11)[0]
        assert np.allclose(found.sizes["neurons"][i], np.sqrt(energy.sum(axis=0)))


def test_that_in_a_hand_built_model_every_neuron_holds_the_winning_ticket(clock_run: MakeRun) -> None:
    run = clock_run("add", 13, {2: 1.0, 5: 0.7})
    found = tickets(run, 0, 0)
    assert found.keys == (2, 5)
    assert len(found.carriers) == 16
    own = found.misalignment[np.arange(16), found.frequency - 1]
    assert np.abs(own).max() < 0.01  # thirteen residues sample a rectified wave
    for score in ("ticket", "vote"):
        verdict = worth(found, score)
        assert verdict is not None
        assert verdict.place.tolist() == [1] * 16
        assert (verdict.first_tenth, verdict.among_keys) == (1, 1)
        assert verdict.shuffled == pytest.approx(0.5)
        assert verdict.shuffled_keys == pytest.approx(0.5)


def test_that_without_carriers_there_is_no_verdict(random_run: MakeRun) -> None:
    found = tickets(random_run(small()), 0, 0)
    assert found.keys == ()
    assert worth(found, "vote") is None


def test_that_a_task_without_a_basis_has_no_tickets(random_run: MakeRun) -> None:
    found = tickets(random_run(small(operation="x2xyy2")), 0, 0)
    assert "no group operation" in found.no_basis
    assert found.magnitude.shape == (12, 0)
    assert set(found.sizes) == set(SIZES)


def planted(seed: int = 0, d: int = 40, f: int = 9) -> Tickets:
    draw = np.random.default_rng(seed)
    return Tickets(
        0, 1, {}, draw.exponential(size=(d, f)) * np.linspace(1, 2, f), draw.exponential(size=(d, f)),
        draw.uniform(-np.pi, np.pi, size=(d, f)), draw.choice([2, 5, 9], size=d), draw.uniform(0.7, 1, size=d),
    )  # fmt: skip


@pytest.mark.parametrize("score", SCORES)
def test_that_worth_and_its_chances_are_what_counting_gives(score: str) -> None:
    drawn = planted()
    found, values = worth(drawn, score), drawn.score(score)
    assert found is not None
    carriers = [n for n in range(40) if drawn.fve[n] >= 0.85]
    own = {n: int(drawn.frequency[n]) for n in carriers}

    def place(n: int, k: int) -> int:
        return 1 + sum(values[n, other] > values[n, k - 1] for other in range(9))

    def best(n: int) -> int:
        return max((2, 5, 9), key=lambda k: float(values[n, k - 1]))

    assert found.place.tolist() == [place(n, own[n]) for n in carriers]
    pairs = list(itertools.product(carriers, carriers))
    assert found.first_tenth == pytest.approx(np.mean([place(n, own[n]) <= 1 for n in carriers]))
    assert found.even == pytest.approx(1 / 9)
    assert found.shuffled == pytest.approx(np.mean([place(n, own[m]) <= 1 for n, m in pairs]))
    assert found.among_keys == pytest.approx(np.mean([best(n) == own[n] for n in carriers]))
    assert found.shuffled_keys == pytest.approx(np.mean([best(n) == own[m] for n, m in pairs]))


def test_that_neurons_that_read_nothing_at_the_start_hold_no_ticket() -> None:
    drawn = planted()
    silent = np.flatnonzero(drawn.fve >= 0.85)[:3]
    drawn.magnitude[silent] = 0
    assert not set(silent.tolist()) & set(drawn.carriers.tolist())
    assert drawn.ticketless == 3
    assert drawn.keys == (2, 5, 9)
    found = worth(drawn, "magnitude")
    assert found is not None
    assert len(found.place) == int((drawn.fve >= 0.85).sum()) - 3


def test_that_the_chance_of_keys_is_that_of_all_possible_keys() -> None:
    first = np.random.default_rng(0).normal(size=7)
    places = {k: 1 + int((first > first[k - 1]).sum()) for k in range(1, 8)}
    every = [np.mean([places[k] for k in keys]) for keys in itertools.combinations(range(1, 8), 3)]
    found = rank_of(first, first**2, (1, 4, 7))
    assert found.key_mean == pytest.approx(np.mean([places[k] for k in (1, 4, 7)]))
    assert found.key_chance == pytest.approx(np.mean(every))
    assert found.key_spread == pytest.approx(np.std(every))
    assert rank_of(first, first, ()).key_mean is None


def test_that_rank_correlation_is_pearsons_of_mean_ranks() -> None:
    draw = np.random.default_rng(1)
    x, y = draw.integers(0, 5, size=30).astype(float), draw.normal(size=30)

    def slow(v: np.ndarray) -> list[float]:
        return [float((v < u).sum() + ((v == u).sum() + 1) / 2) for u in v]

    assert spearman(x, y) == pytest.approx(np.corrcoef(slow(x), slow(y))[0, 1])
    assert spearman(np.arange(9.0), np.arange(9.0) ** 3) == pytest.approx(1)
    assert spearman(np.ones(9), np.arange(9.0)) is None
    assert spearman(np.arange(2.0), np.arange(2.0)) is None
    shuffles = [spearman(np.arange(12.0), draw.permutation(12).astype(float)) for _ in range(4000)]
    inside = np.mean([abs(r) <= rank_of(np.arange(12.0), y[:12], ()).chance for r in shuffles if r is not None])
    assert 0.93 < inside < 0.97
    assert isinstance(rank_of(np.ones(1), np.ones(1), (1,)), Rank)


def test_that_the_race_of_the_neurons_is_that_of_their_activations(trained: Run, tmp_path: Path) -> None:
    traces = Traces(trained, tmp_path / "t.h5")
    for step in (0, 3):
        traces.add(step, (), ("neurons",))
    pinned = pinned_keys(trained, 4, (2, 4))
    found = race(trained, 4, traces, pinned, 0, NEURONS)
    assert found.epochs.tolist() == trained.epochs[[0, 3]].tolist()
    energy = frequency_powers(activations(trained, 3).mlp_post[-1], 11)[0]
    assert np.allclose(found.norm[1], np.sqrt(energy.sum(axis=0)))
    assert np.array_equal(found.rank, ranks(found.norm))
    assert found.leaders(2).tolist() == [[int(k) for k in row + 1] for row in np.argsort(-found.norm, axis=1)[:, :2].T]
    whole = lottery(trained, 4, traces, pinned, 0, 1)
    assert tuple(whole.races) == WHERE
    assert whole.keys == (2, 4)
    assert whole.tickets.first == int(trained.epochs[1])
    assert np.allclose(spectra(activations(trained, 3).mlp_post[-1], characters(trained.config)).norms, found.norm[1])
