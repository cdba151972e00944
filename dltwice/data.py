"""The data sets of the book. All of them come with the installed packages: nothing is downloaded."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits, load_iris, load_sample_image
from sklearn.model_selection import train_test_split


class Split(NamedTuple):
    """A data set in two parts. `x` are inputs, `y` are labels."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


class Examples(NamedTuple):
    """Inputs `x`, one row each, and their labels `y`."""

    x: np.ndarray
    y: np.ndarray


XOR: Examples
"""Exclusive or: x is (4, 2), float64, all pairs of 0 and 1; y is (4,), 1 where just one of the two is 1."""


def __getattr__(name: str) -> Examples:
    """Make `XOR` anew each time, so that nobody gets arrays that someone else has changed."""
    if name != "XOR":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return Examples(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0]))


def iris_pair(
    first: str = "setosa",
    second: str = "versicolor",
    features: Sequence[str] = ("petal length", "petal width"),
) -> Examples:
    """Two of the three iris species, 50 flowers each, measured in cm.

    | array | shape |
    |---|---|
    | x | (100, number of features), float64 |
    | y | (100,), 0 for the first species, 1 for the second; the first 50 are the first |

    Args:
        first: "setosa", "versicolor" or "virginica".
        second: another one of them.
        features: some of "sepal length", "sepal width", "petal length", "petal width".

    Raises:
        ValueError: an unknown species or feature, or the same species twice.

    Source: scikit-learn, `load_iris`; Fisher, "The use of multiple measurements in taxonomic problems", 1936.
    """
    iris = load_iris()
    names = [name.removesuffix(" (cm)") for name in iris.feature_names]
    species = list(map(str, iris.target_names))
    if first == second or not {first, second} <= set(species):
        raise ValueError(f"first and second: expected two of {species}, got {first!r} and {second!r}")
    features = [features] if isinstance(features, str) else list(features)
    if not features or not set(features) <= set(names):
        raise ValueError(f"features: expected some of {names}, got {features}")
    columns = [names.index(feature) for feature in features]
    rows = [np.flatnonzero(iris.target == species.index(name)) for name in (first, second)]
    return Examples(iris.data[np.concatenate(rows)][:, columns], np.repeat([0, 1], 50))


def minibatches(N: int, batch_size: int, *, epochs: int = 1, rng: Any) -> Iterator[np.ndarray]:
    """Index arrays of mini-batches: in each epoch every number from 0 to N − 1 once, in a new random order.

    Args:
        N: number of examples.
        batch_size: how many of them a batch has; the last batch of an epoch has the rest.
        epochs: how many times to go through all of them.
        rng: seed or generator of the order.

    Raises:
        ValueError: a number below 1.
    """
    for name, value in (("N", N), ("batch_size", batch_size), ("epochs", epochs)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}")
    return _batches(N, batch_size, epochs, np.random.default_rng(rng))


def _batches(N: int, batch_size: int, epochs: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(epochs):
        order = rng.permutation(N)
        for start in range(0, N, batch_size):
            yield order[start : start + batch_size]


def digits(dtype: type = np.float64, *, test_size: float = 0.25, seed: int = 0) -> Split:
    """Handwritten digits, 1,797 gray images of 8×8 pixels with values from 0 to 1, in ten classes.

    | array | shape |
    |---|---|
    | x_train, x_test | (N, 1, 8, 8) |
    | y_train, y_test | (N,), integers 0 to 9 |

    The split is stratified and depends on `seed` alone.
    Source: scikit-learn, `load_digits` (the test part of UCI's "Optical Recognition of Handwritten Digits").
    """
    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).reshape(-1, 1, 8, 8).astype(dtype)
    parts = train_test_split(x, y, test_size=test_size, random_state=seed, stratify=y)
    x_train, x_test, y_train, y_test = parts
    return Split(x_train, y_train, x_test, y_test)


def photograph(name: str = "china.jpg", *, shrink: int = 3) -> np.ndarray:
    """A photograph in gray, `(H, W)`, float64 from 0 to 1, shrunk by averages of `shrink` × `shrink` pixels.

    Gray is the ITU-R BT.601 luma, 0.299 red + 0.587 green + 0.114 blue.
    Source: scikit-learn, `load_sample_image`; "china.jpg" and "flower.jpg" are there (640×427 in color).
    """
    if shrink < 1:
        raise ValueError(f"shrink: expected a whole number of at least 1, got {shrink}")
    gray = load_sample_image(name) @ np.array([0.299, 0.587, 0.114]) / 255.0
    H, W = (size // shrink * shrink for size in gray.shape)
    return gray[:H, :W].reshape(H // shrink, shrink, W // shrink, shrink).mean(axis=(1, 3))


def letter_y(row: int = 0, column: int = 0, *, size: int = 12) -> np.ndarray:
    """A handwritten-looking letter Y, `(size, size)`, 0 for paper and 1 for ink, moved down and right.

    Raises:
        ValueError: the letter would leave the picture.
    """
    strokes = ("#.....#", "##...##", ".##.##.", "..###..", "...#...", "...#...", "..##...", "..#....")
    ink = np.array([[mark == "#" for mark in stroke] for stroke in strokes], dtype=float)
    h, w = ink.shape
    if not (0 <= row <= size - h and 0 <= column <= size - w):
        raise ValueError(
            f"row and column: expected 0 to {size - h} and 0 to {size - w}, got {row} and {column}"
        )
    picture = np.zeros((size, size))
    picture[row : row + h, column : column + w] = ink
    return picture
