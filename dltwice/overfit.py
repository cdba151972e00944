"""An experiment on overfitting: small networks on few digits, some of them with a wrong label.

Chapter 03 and its widget `OverfitExplorer` show these runs. Every number in them is measured here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from . import data, nn, optim

TRAIN, VALID = 200, 500  # examples; the test set has 450
BATCH, LR, EPOCHS = 25, 0.01, 40
HIDDEN, NOISE, DROPOUT, SEEDS = (4, 16, 64, 256), (0.0, 0.2, 0.4), (0.0, 0.5), (0, 1, 2, 3)
CURVES = ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy", "test_accuracy")


class Stop(NamedTuple):
    """What early stopping does: training ends after epoch `stopped`, the weights of epoch `best` are kept."""

    stopped: int
    best: int


def early_stop(losses: Sequence[float], patience: int) -> Stop:
    """Apply the rule of early stopping to the validation loss after each epoch.

    `losses[e]` is the loss after `e` epochs, so `losses[0]` is the one before training. Training ends after
    the first epoch that comes `patience` epochs after the lowest loss so far, or with the last epoch.

    Raises:
        ValueError: no losses, or a patience below 1.
    """
    if not len(losses) or patience < 1:
        got = f"{len(losses)} losses and a patience of {patience}"
        raise ValueError(f"expected losses and a patience of at least 1, got {got}")
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        elif epoch - best >= patience:
            return Stop(epoch, best)
    return Stop(len(losses) - 1, best)


@cache
def _digits() -> data.Split:
    """Return the digits, flattened to rows of 64 numbers."""
    x_train, y_train, x_test, y_test = data.digits()
    return data.Split(x_train.reshape(-1, 64), y_train, x_test.reshape(-1, 64), y_test)


@dataclass(frozen=True)
class OverfitSet:
    """Few digits to train on, some with a wrong label; others to validate on; and a test set apart.

    | array                     | shape     |                                                        |
    |---------------------------|-----------|--------------------------------------------------------|
    | x_train, x_valid, x_test  | (N, 64)   | pixels from 0 to 1; N is 200, 500 and 450              |
    | y_train, y_valid, y_test  | (N,)      | labels, 0 to 9; those to validate and test are right   |
    | wrong                     | (200,)    | True where the training label is wrong                 |

    Source: `data.digits()`; its test set is the one here, its training set gives the rest.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    wrong: np.ndarray

    @classmethod
    def make(cls, noise: float = 0.0, seed: int = 0) -> OverfitSet:
        """Draw the set. `noise` is the share of training labels to make wrong, from 0 to 1.

        One seed draws the same pictures at every `noise`, and labels that are wrong at little noise are
        wrong at more, so runs differ in what is asked about and in nothing else.

        Raises:
            ValueError: `noise` is not from 0 to 1.
        """
        if not 0 <= noise <= 1:
            raise ValueError(f"noise: expected a share from 0 to 1, got {noise}: write 0.2 for 20 %")
        digits, rng = _digits(), np.random.default_rng(seed)
        order = rng.permutation(len(digits.x_train))
        train, valid = order[:TRAIN], order[TRAIN : TRAIN + VALID]
        y_train = digits.y_train[train]
        wrong = np.arange(TRAIN) < round(noise * TRAIN)
        another = (y_train + rng.integers(1, 10, TRAIN)) % 10  # never the right one
        y_train = np.where(wrong, another, y_train)
        x_valid, y_valid = digits.x_train[valid], digits.y_train[valid]
        return cls(digits.x_train[train], y_train, x_valid, y_valid, digits.x_test, digits.y_test, wrong)


@dataclass(frozen=True)
class Run:
    """One training run. Each curve has one number per epoch, and the first is from before training.

    Losses and accuracies (shares from 0 to 1) are measured after the epoch, with dropout off, and kept to
    three decimals, so that Python and a page read the same. No decision in a run reads `test_accuracy`.
    """

    hidden: int
    noise: float
    dropout: float
    seed: int
    train_loss: list[float]
    valid_loss: list[float]
    train_accuracy: list[float]
    valid_accuracy: list[float]
    test_accuracy: list[float]

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss, the first of them."""
        return int(np.argmin(self.valid_loss))

    @property
    def test_last(self) -> float:
        """Test accuracy after the last epoch."""
        return self.test_accuracy[-1]

    @property
    def test_best(self) -> float:
        """Test accuracy after `best_epoch`."""
        return self.test_accuracy[self.best_epoch]

    def stop(self, patience: int) -> Stop:
        """Return where early stopping would have ended this run, and which epoch it would have kept."""
        return early_stop(self.valid_loss, patience)

    def test_stopped(self, patience: int) -> float:
        """Return the test accuracy of the epoch that early stopping would have kept."""
        return self.test_accuracy[self.stop(patience).best]

    def record(self) -> dict[str, Any]:
        """Return the run as plain data."""
        return asdict(self)


def network(hidden: int, dropout: float, seed: int) -> nn.Sequential:
    """Build the network 64-`hidden`-10. A seed draws the same first weights with and without dropout."""
    weights, masks = np.random.default_rng([seed, 1]).spawn(2)
    return nn.Sequential(
        nn.Linear(64, hidden, dtype=np.float64, rng=weights),
        nn.ReLU(),
        nn.Dropout(dropout, rng=masks),
        nn.Linear(hidden, 10, dtype=np.float64, rng=weights),
    )


def measure(net: nn.Module, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return loss and accuracy of `net` in evaluation mode, with dropout off."""
    net.eval()
    scores = net(x)
    net.train()
    return nn.CrossEntropyLoss()(scores, y), float((scores.argmax(axis=1) == y).mean())


def train_run(
    hidden: int,
    noise: float,
    dropout: float,
    seed: int,
    epochs: int = EPOCHS,
) -> Run:
    """Train one network with Adam, and measure it before training and after every epoch.

    Raises:
        ValueError: a setting out of range, from the layer or the set that it is for.
    """
    digits, net = OverfitSet.make(noise, seed), network(hidden, dropout, seed)
    optimizer, loss = optim.Adam(net.parameters(), lr=LR), nn.CrossEntropyLoss()
    rng = np.random.default_rng([seed, 2])
    rows = []
    for epoch in range(epochs + 1):
        if epoch:
            for batch in data.minibatches(TRAIN, BATCH, rng=rng):
                loss(net(digits.x_train[batch]), digits.y_train[batch])
                net.backward(loss.backward())
                optimizer.step()
        train_loss, train_accuracy = measure(net, digits.x_train, digits.y_train)
        valid_loss, valid_accuracy = measure(net, digits.x_valid, digits.y_valid)
        _, test_accuracy = measure(net, digits.x_test, digits.y_test)
        row = train_loss, valid_loss, train_accuracy, valid_accuracy, test_accuracy
        rows.append(row)
    curves = np.round(rows, 3).T.tolist()
    return Run(hidden, noise, dropout, seed, *curves)


def run_all(
    hidden: Iterable[int] = HIDDEN,
    noise: Iterable[float] = NOISE,
    dropout: Iterable[float] = DROPOUT,
    seeds: Iterable[int] = SEEDS,
    epochs: int = EPOCHS,
) -> list[Run]:
    """Train a network for every combination of the settings: by default 96 runs, in about ten seconds."""
    grid = [(h, n, p, s) for h in hidden for n in noise for p in dropout for s in seeds]
    return [train_run(*settings, epochs=epochs) for settings in grid]
