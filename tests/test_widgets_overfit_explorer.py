"""OverfitExplorer's Python side: traits, what they compute, the program it writes.

`python tests/test_widgets_overfit_explorer.py` writes the golden file: made runs, settings, and their values
by NumPy and by torch's ReduceLROnPlateau. The same file is read by the test of the widget's JavaScript
(`tests/book/test_overfit_explorer.py`).
"""

import itertools
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from test_overfit import torch_stop
from traitlets import TraitError

from dltwice import overfit
from dltwice.overfit import CURVES, OverfitSet, early_stop, train_run
from dltwice.widgets import OverfitExplorer, overfit_runs
from dltwice.widgets.overfit_runs import SETTINGS

GOLDEN = Path(__file__).parent / "golden" / "overfit_explorer.json"
EPOCHS = 15
GRID = [(h, n, p) for h in (4, 16, 64) for n in (0.0, 0.25) for p in (0.0, 0.5) if (h, p) != (4, 0.5)]


# ---- the golden file ----


def draw_runs(seed):
    """Make runs of drawn numbers: three seeds each, one setting missing, and many equal losses."""
    draw = random.Random(seed)
    for hidden, noise, dropout in GRID:
        for run_seed in (0, 1, 5):
            run = {"hidden": hidden, "noise": noise, "dropout": dropout, "seed": run_seed}
            for name in CURVES:
                top = draw.choice([1200, 46655]) if name.endswith("loss") else 1000
                values = [draw.randint(0, top) for _ in range(3 * EPOCHS)]
                few = draw.sample(values, 6) if name == "valid_loss" else values
                run[name] = [draw.choice(few) / 1000 for _ in range(EPOCHS + 1)]
            yield run


def draw_settings(count, seed):
    """Draw settings; most have a run, some have none, some a seed or a patience that no run has."""
    draw = random.Random(seed)
    for _ in range(count):
        hidden, noise, dropout = draw.choice(GRID)
        if draw.random() < 0.2:
            hidden, noise, dropout = draw.randint(1, 300), draw.choice([0.0, 0.1, 1.0]), draw.random() / 2
        one = {"hidden": hidden, "noise": noise, "dropout": round(dropout, 3)}
        yield one | {"patience": draw.randint(1, EPOCHS + 1), "seed": draw.choice([None, None, 0, 1, 5, 9])}


def nearest_by_table(runs, s):
    """Return the nearest run's setting, from a table of distances."""
    numbers = np.array([[run[name] for name in SETTINGS] for run in runs])
    there = np.array([s[name] for name in SETTINGS])
    logs = np.log([np.exp(1), 4])[1]
    distances = np.abs(np.log(numbers[:, 0]) - np.log(there[0])) / logs
    distances += (np.abs(numbers[:, 1:] - there[1:]) / [0.2, 0.5]).sum(axis=1)
    run = runs[int(np.flatnonzero(distances < distances.min() + 1e-9)[0])]
    return {name: run[name] for name in SETTINGS}


def values_of(runs, s):
    """Return what the widget computes, by NumPy and torch; None where it has nothing to show."""
    some = [run for run in runs if all(run[name] == s[name] for name in SETTINGS)]
    looked_at = [run for run in some if s["seed"] in (None, run["seed"])]
    if not looked_at or s["patience"] > EPOCHS:
        return None
    curves = {}
    for name in CURVES:
        sums = np.sum([np.rint(1000 * np.array(run[name])) for run in looked_at], axis=0)
        curves[name] = (np.floor(sums / len(looked_at) + 0.5) / 1000).tolist()
    losses = curves["valid_loss"]
    results = []
    for run in some:
        stopped, best = torch_stop(run["valid_loss"], s["patience"])
        results.append([run["seed"], stopped, best, run["test_accuracy"][-1], run["test_accuracy"][best]])
    return {
        "curves": curves,
        "stops": [torch_stop(losses[: epoch + 1], s["patience"]) for epoch in range(EPOCHS + 1)],
        "best_epoch": losses.index(min(losses)),
        "results": results,
    }


def golden_data():
    runs = list(draw_runs(seed=1))
    entries = [
        {"setting": s, "nearest": nearest_by_table(runs, s), "values": values_of(runs, s)}
        for s in draw_settings(100, seed=2)
    ]
    return {"runs": runs, "entries": entries}


def write():
    """Write the golden file anew."""
    data = golden_data()
    lines = {name: (json.dumps(one, separators=(",", ":")) for one in data[name]) for name in data}
    body = ",\n".join(f'"{name}": [\n' + ",\n".join(lines[name]) + "\n]" for name in lines)
    GOLDEN.write_text("{\n" + body + "\n}\n", encoding="utf-8")


@pytest.fixture
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_golden_file_is_what_numpy_and_torch_give(golden):
    made = json.loads(json.dumps(golden_data()))
    assert golden["runs"] == made["runs"]
    assert golden["entries"] == made["entries"]
    assert 20 < sum(entry["values"] is None for entry in golden["entries"]) < 60
    assert GOLDEN.stat().st_size < 200_000


def test_values_are_the_golden_ones(golden):
    runs = golden["runs"]
    for entry in golden["entries"]:
        widget, values = OverfitExplorer(runs, **entry["setting"]), entry["values"]
        assert widget.nearest == entry["nearest"]
        assert bool(widget.problem) == (values is None)
        if values is None:
            with pytest.raises(ValueError, match=re.escape(widget.problem)):
                _ = widget.results
            continue
        assert {name: widget.curve(name) for name in CURVES} == values["curves"]
        assert list(widget.stop) == values["stops"][-1]
        assert widget.best_epoch == values["best_epoch"]
        assert [list(one) for one in widget.results] == values["results"]
        for epoch in (0, 4, EPOCHS + 20):
            widget.epoch = epoch
            at = min(epoch, EPOCHS)
            gap = values["curves"]["valid_loss"][at] - values["curves"]["train_loss"][at]
            assert widget.gap == pytest.approx(gap, abs=1e-12)


# ---- the program ----


@pytest.fixture(scope="module")
def short():
    """A few real runs of a few epochs."""
    return overfit.run_all((16, 64), (0.0, 0.4), (0.0, 0.5), (0, 1), epochs=12)


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": 64, "noise": 0.4, "dropout": 0.0, "patience": 1},
        {"hidden": 16, "noise": 0.0, "dropout": 0.5, "patience": 12, "seed": 1},
        {"hidden": 64, "noise": 0.4, "dropout": 0.5, "patience": 2},
    ],
    ids=str,
)
def test_code_trains_such_a_run(short, settings, capsys):
    widget, space = OverfitExplorer(short, **settings), {}
    exec(widget.code(), space)
    printed = capsys.readouterr().out
    losses = [float(text) for text in re.findall(r"validation loss ([\d.]+)", printed)]
    assert len(losses) == 12
    stop = early_stop([2.4, *losses], widget.patience)
    assert f"stops after epoch {stop.stopped}, keeps epoch {stop.best}" in printed
    assert f"{space['test_last']:.3f} last, {space['test_stopped']:.3f} kept" in printed
    net, made = space["net"], OverfitSet.make(0.0)
    assert [type(layer).__name__ for layer in net] == ["Linear", "ReLU", "Dropout", "Linear"]
    assert (net[0].out_features, net[2].p) == (widget.hidden, widget.dropout)
    assert torch.initial_seed() == (widget.seed or 0)
    assert space["optimizer"].defaults["lr"] == overfit.LR
    assert (len(space["x_train"]), len(space["x_valid"])) == (overfit.TRAIN, overfit.VALID)
    np.testing.assert_allclose(space["x_test"], made.x_test, atol=1e-7)
    np.testing.assert_array_equal(space["y_test"], made.y_test)
    assert (space["y"][space["train"]] != space["y_train"]).sum() == round(widget.noise * overfit.TRAIN)


def test_the_programs_run_is_near_the_stored_ones(short, capsys):
    """Not the same digits, the same behavior: the last losses differ less than seeds do, threefold."""
    widget, space = OverfitExplorer(short, hidden=64, noise=0.4, dropout=0.0), {}
    exec(widget.code(), space)
    for name in ("train_loss", "valid_loss"):
        last = [run[name][-1] for run in widget.chosen]
        assert space[name] == pytest.approx(np.mean(last), abs=0.25)
    capsys.readouterr()


# ---- runs ----


def test_packing_loses_nothing(golden, short):
    for runs in (golden["runs"], [run.record() for run in short]):
        assert overfit_runs.unpack(overfit_runs.pack(runs)) == runs


def test_a_page_stores_96_runs_of_40_epochs_in_less_than_60_kb():
    curves = dict.fromkeys(CURVES[:2], [46.655] * 41) | dict.fromkeys(CURVES[2:], [1.0] * 41)
    grid = itertools.product(overfit.HIDDEN, overfit.NOISE, overfit.DROPOUT, overfit.SEEDS)
    runs = [dict(zip((*SETTINGS, "seed"), one, strict=True)) | curves for one in grid]
    state = OverfitExplorer(runs).get_state()
    assert len(state["runs"]) == 96
    assert len(json.dumps(state["runs"])) < 60_000
    assert state["hidden"] == 64
    assert state["epoch"] == 40


def test_the_page_sends_traits_back_and_runs_stay(short):
    widget = OverfitExplorer(short)
    before = widget.runs
    widget.set_state({"runs": widget.get_state()["runs"], "hidden": 16, "dropout": 0.5, "seed": 1})
    assert widget.runs == before
    assert [run["seed"] for run in widget.chosen] == [0, 1]
    wanted = (16, widget.noise, 0.5, 1)
    (looked_at,) = (run for run in short if (run.hidden, run.noise, run.dropout, run.seed) == wanted)
    assert widget.curve("valid_loss") == looked_at.valid_loss


def changed(**changes):
    run = train_run(4, 0.0, 0.0, 0, epochs=1).record()
    return [run | changes]


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([], "expected one run or more"),
        (changed(valid_loss=[1.0]), r"equally long, got 1 runs with curves of \[1, 2\] numbers"),
        (changed() * 2, r"got two for \(4, 0.0, 0.0, 0\). Remove one"),
        (changed(valid_loss=[1.0, float("nan")]), "expected valid_loss from 0 to 46.655, got nan"),
        (changed(train_loss=[1.0, 99.0]), "Leave out a run that diverged"),
        (changed(test_accuracy=[0.5, 88]), "expected test_accuracy from 0 to 1, got 0.5 to 88"),
        (changed(hidden=0), "expected hidden from 1 to 10000, got 0"),
        (changed(seed="x"), "ValueError"),
        ([{"hidden": 4}], "KeyError: 'noise'"),
        ([3], r"Pass what overfit.run_all\(\) returns"),
    ],
)
def test_bad_runs_are_refused_with_the_reason(runs, reason):
    with pytest.raises(TraitError, match=reason):
        OverfitExplorer(runs)


# ---- traits ----


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": 0},
        {"noise": -0.1},
        {"noise": float("nan")},
        {"dropout": 1},
        {"patience": 0},
        {"patience": 2.5},
        {"metric": "error"},
        {"predict": "gap"},
        {"epoch": -1},
        {"units": 3},
        {"kept": {"hidden": 64}},
        {"kept": {"hidden": 64, "noise": 0.4, "dropout": 0.0, "patience": 99}},
        {"kept": {"hidden": 65, "noise": 0.4, "dropout": 0.0, "patience": 5}},
    ],
    ids=str,
)
def test_bad_settings_are_trait_errors(short, settings):
    with pytest.raises(TraitError):
        OverfitExplorer(short, **settings)


def test_kept_without_a_run_names_the_nearest(short):
    with pytest.raises(
        TraitError, match=r"The nearest one has \{'hidden': 64, 'noise': 0.4, 'dropout': 0.5\}"
    ):
        OverfitExplorer(short, kept={"hidden": 100, "noise": 0.4, "dropout": 0.5, "patience": 5})


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"hidden": 100, "noise": 0.4, "dropout": 0.5},
            "No run was made with 100 hidden units, 40 % wrong labels and dropout 0.5. "
            "The nearest one has 64 hidden units, 40 % wrong labels and dropout 0.5.",
        ),
        ({"seed": 7}, "No run was made with seed 7. There are the seeds 0, 1."),
        ({"patience": 13}, "A patience of 13 never ends a run of 12 epochs."),
    ],
)
def test_what_has_no_run_is_explained(short, settings, text):
    widget = OverfitExplorer(short, **settings)
    assert widget.problem == text
    with pytest.raises(ValueError, match=re.escape(text)):
        widget.curve("valid_loss")


def test_settings_left_out_are_near_the_usual_ones(short):
    assert repr(OverfitExplorer(short)) == (
        "OverfitExplorer(hidden=64, noise=0.0, dropout=0.0, patience=5, seed=None)"
    )
    assert OverfitExplorer(short, hidden=16).hidden == 16
    assert OverfitExplorer(short[:2], hidden=99).hidden == 99


def test_an_unknown_curve_is_refused(short):
    with pytest.raises(ValueError, match=r"name: expected one of .*'valid_loss'.*, got 'loss'"):
        OverfitExplorer(short).curve("loss")


def test_module_is_small_and_exports_only_its_default():
    assert len(OverfitExplorer._esm.encode()) < 30_000
    assert OverfitExplorer._esm.count("export ") == 1
    assert not re.search(r"\bimport [{*\"']", OverfitExplorer._esm)
    assert ".dlt-overfit" in OverfitExplorer._css


if __name__ == "__main__":
    write()
