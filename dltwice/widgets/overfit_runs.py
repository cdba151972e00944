"""The arithmetic of OverfitExplorer in Python: pure functions, the twins of ``overfit_math.js``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dltwice.overfit import BATCH, CURVES, LR, TRAIN, VALID, early_stop

SETTINGS = ("hidden", "noise", "dropout")
WIDTHS = (3, 3, 2, 2, 2)  # of a packed number, curve by curve: losses to 46.655, accuracies to 1.295


class Result(NamedTuple):
    """What one seed reaches: where it stops, and the test accuracy after the last and the kept epoch."""

    seed: int
    stopped: int
    best: int
    test_last: float
    test_stopped: float


def pack(runs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write each run's curves as one text: thousandths in base 36, ``WIDTHS`` wide. It keeps a page light."""

    def text(run: Mapping[str, Any]) -> str:
        return "".join(
            np.base_repr(round(1000 * value), 36).lower().zfill(width)
            for name, width in zip(CURVES, WIDTHS, strict=True)
            for value in run[name]
        )

    return [{name: run[name] for name in (*SETTINGS, "seed")} | {"curves": text(run)} for run in runs]


def unpack(packed: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Read what ``pack`` wrote."""
    runs = []
    for item in packed:
        run = {name: item[name] for name in (*SETTINGS, "seed")}
        text, at = item["curves"], 0
        length = len(text) // sum(WIDTHS)
        for name, width in zip(CURVES, WIDTHS, strict=True):
            run[name] = [int(text[at + i * width : at + (i + 1) * width], 36) / 1000 for i in range(length)]
            at += length * width
        runs.append(run)
    return runs


def mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of curves, rounded to three decimals, halves up: whole numbers, as in the page."""
    count = len(curves)
    sums = (sum(round(1000 * value) for value in values) for values in zip(*curves, strict=True))
    return [(2 * total + count) // (2 * count) / 1000 for total in sums]


def nearest(runs: Iterable[Mapping[str, Any]], setting: Mapping[str, float]) -> dict[str, Any]:
    """Return the settings of the run nearest to ``setting``, of equals the first.

    A factor of 4 in hidden units counts as much as 0.2 in noise and as 0.5 in dropout.
    """

    def distance(run: Mapping[str, Any]) -> float:
        units = abs(math.log(run["hidden"] / setting["hidden"])) / math.log(4)
        labels = abs(run["noise"] - setting["noise"]) / 0.2
        return units + labels + abs(run["dropout"] - setting["dropout"]) / 0.5

    run = min(runs, key=distance)
    return {name: run[name] for name in SETTINGS}


def result(run: Mapping[str, Any], patience: int) -> Result:
    """Apply early stopping to one run."""
    stopped, best = early_stop(run["valid_loss"], patience)
    test = run["test_accuracy"]
    return Result(run["seed"], stopped, best, test[-1], test[best])


def of_setting(runs: Iterable[Mapping[str, Any]], setting: Mapping[str, float]) -> list[Mapping[str, Any]]:
    """Return the runs of a setting, one per seed."""
    return [run for run in runs if all(run[name] == setting[name] for name in SETTINGS)]


def problem_of(runs: Sequence[Mapping[str, Any]], s: Mapping[str, Any]) -> str:
    """Return why there is nothing to show for the settings, seed and patience in ``s``, or an empty text."""
    near, seeds = nearest(runs, s), [run["seed"] for run in of_setting(runs, s)]
    epochs = len(runs[0]["valid_loss"]) - 1
    if not seeds:
        return f"No run was made with {_words(s)}. The nearest one has {_words(near)}."
    if s["seed"] is not None and s["seed"] not in seeds:
        return f"No run was made with seed {s['seed']}. There are the seeds {', '.join(map(str, seeds))}."
    if s["patience"] > epochs:
        return f"A patience of {s['patience']} never ends a run of {epochs} epochs."
    return ""


def _words(s: Mapping[str, Any]) -> str:
    noise, dropout = f"{100 * s['noise']:.3g}", f"{s['dropout']:.4g}"
    return f"{s['hidden']} hidden units, {noise} % wrong labels and dropout {dropout}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def program(s: Mapping[str, Any], epochs: int) -> str:
    """Return the PyTorch program that makes a run with the settings, seed and patience in ``s``."""
    return PROGRAM.format(
        hidden=s["hidden"],
        noise=_number(s["noise"]),
        dropout=_number(s["dropout"]),
        patience=s["patience"],
        epochs=epochs,
        seed=s["seed"] or 0,
        train=TRAIN,
        valid=TRAIN + VALID,
        batch=BATCH,
        lr=LR,
    )


PROGRAM = """\
# The run on the screen in PyTorch: the same network, optimizer, batch size and rule. Its random numbers are
# others, so its losses are near the screen's, not equal.
import copy

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed({seed})
hidden, noise, dropout = {hidden}, {noise}, {dropout}
patience, epochs = {patience}, {epochs}

x, y = load_digits(return_X_y=True)
split = train_test_split(x / 16, y, test_size=0.25, random_state=0, stratify=y)
x, x_test = (torch.tensor(part, dtype=torch.float32) for part in split[:2])
y, y_test = (torch.tensor(part) for part in split[2:])
order = torch.randperm(len(x))
train, valid = order[:{train}], order[{train}:{valid}]
x_train, y_train, x_valid, y_valid = x[train], y[train], x[valid], y[valid]
wrong = round(noise * {train})
y_train[:wrong] = (y_train[:wrong] + torch.randint(1, 10, (wrong,))) % 10

net = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 10))
optimizer = torch.optim.Adam(net.parameters(), lr={lr})
loss_function = nn.CrossEntropyLoss()


@torch.no_grad()
def measure(x, y):
    net.eval()
    scores = net(x)
    net.train()
    return loss_function(scores, y).item(), (scores.argmax(1) == y).float().mean().item()


best, best_loss, stopped = 0, measure(x_valid, y_valid)[0], None
best_weights = copy.deepcopy(net.state_dict())
for epoch in range(1, epochs + 1):
    for batch in torch.randperm({train}).split({batch}):
        optimizer.zero_grad()
        loss_function(net(x_train[batch]), y_train[batch]).backward()
        optimizer.step()
    train_loss, valid_loss = measure(x_train, y_train)[0], measure(x_valid, y_valid)[0]
    print(f"epoch {{epoch}}: training loss {{train_loss:.3f}}, validation loss {{valid_loss:.3f}}")
    if not stopped and valid_loss < best_loss:
        best, best_loss, best_weights = epoch, valid_loss, copy.deepcopy(net.state_dict())
    elif not stopped and epoch - best >= patience:
        stopped = epoch  # early stopping ends here; this program goes on to show what follows

test_last = measure(x_test, y_test)[1]
net.load_state_dict(best_weights)
test_stopped = measure(x_test, y_test)[1]
print(f"stops after epoch {{stopped or epochs}}, keeps epoch {{best}}")
print(f"test accuracy: {{test_last:.3f}} last, {{test_stopped:.3f}} kept")
"""
