"""Data sets: shapes, ranges, and no dependence on anything but the seed."""

import numpy as np
import pytest

from dltwice import data


def test_digits():
    split = data.digits()
    assert split.x_train.shape == (1347, 1, 8, 8)
    assert split.x_test.shape == (450, 1, 8, 8)
    assert split.x_train.min() == 0.0
    assert split.x_train.max() == 1.0
    assert set(split.y_test) == set(range(10))


def test_digits_keep_the_dtype_and_depend_on_the_seed_alone():
    assert data.digits(np.float32).x_train.dtype == np.float32
    np.testing.assert_array_equal(data.digits(seed=3).y_test, data.digits(seed=3).y_test)
    assert (data.digits(seed=3).y_test != data.digits(seed=4).y_test).any()


def test_photograph():
    photo = data.photograph()
    assert photo.shape == (142, 213)
    assert photo.dtype == np.float64
    assert 0 <= photo.min() < photo.max() <= 1
    with pytest.raises(ValueError, match="shrink"):
        data.photograph(shrink=0)


def test_shrinking_keeps_the_mean():
    whole, half = data.photograph(shrink=1), data.photograph(shrink=2)
    np.testing.assert_allclose(half.mean(), whole[:426, :640].mean())


def test_letter_y_moves_as_a_whole():
    here, there = data.letter_y(2, 2), data.letter_y(3, 4)
    np.testing.assert_array_equal(np.roll(here, (1, 2), axis=(0, 1)), there)
    with pytest.raises(ValueError, match="row"):
        data.letter_y(5, 0)
