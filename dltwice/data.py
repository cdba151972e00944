"""The data sets of the book. All of them come with the installed packages: nothing is downloaded."""

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits, load_sample_image
from sklearn.model_selection import train_test_split


class Split(NamedTuple):
    """A data set in two parts. `x` are inputs, `y` are labels."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


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
