"""Data sets: shapes, ranges, and no dependence on anything but the seed."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

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


def test_xor():
    x, y = data.XOR
    np.testing.assert_array_equal(x, [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(y, [int(a != b) for a, b in x])
    assert x.dtype == np.float64
    assert np.issubdtype(y.dtype, np.integer)
    x[0, 0] = 7
    assert data.XOR.x[0, 0] == 0
    with pytest.raises(AttributeError, match="has no attribute 'AND'"):
        _ = data.AND


def test_iris_pair():
    iris = load_iris()
    x, y = data.iris_pair()
    np.testing.assert_array_equal(x, iris.data[:100, 2:])
    np.testing.assert_array_equal(y, iris.target[:100])
    assert x.dtype == np.float64
    x, y = data.iris_pair("virginica", "setosa", ["sepal width", "petal length", "sepal length"])
    np.testing.assert_array_equal(x[:50], iris.data[100:][:, [1, 2, 0]])
    np.testing.assert_array_equal(x[50:], iris.data[:50][:, [1, 2, 0]])
    np.testing.assert_array_equal(y, [0] * 50 + [1] * 50)
    assert data.iris_pair(features="sepal width").x.shape == (100, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("setosa", "setosa"), r"expected two of .*, got 'setosa' and 'setosa'"),
        (("setosa", "rose"), r"expected two of \['setosa', 'versicolor', 'virginica'\]"),
        (("setosa", "virginica", ["petal color"]), r"expected some of .*'petal length'.*got .'petal color'"),
        (("setosa", "virginica", []), r"expected some of .*got \[\]"),
    ],
)
def test_iris_pair_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.iris_pair(*arguments)


@pytest.mark.parametrize(("N", "batch_size"), [(10, 3), (10, 5), (10, 10), (10, 20), (1, 1)])
def test_minibatches(N, batch_size):
    batches = list(data.minibatches(N, batch_size, epochs=3, rng=0))
    per_epoch = -(-N // batch_size)
    assert len(batches) == 3 * per_epoch
    epochs = [batches[n * per_epoch : (n + 1) * per_epoch] for n in range(3)]
    for epoch in epochs:
        assert sorted(np.concatenate(epoch)) == list(range(N))
        assert [len(batch) for batch in epoch[:-1]] == [batch_size] * (per_epoch - 1)
        assert len(epoch[-1]) == N - batch_size * (per_epoch - 1)
    if N > 1:
        orders = [np.concatenate(epoch).tolist() for epoch in epochs]
        assert orders[0] != orders[1] != orders[2]


def test_minibatches_depend_on_the_seed_alone():
    first, again, other = (
        next(data.minibatches(50, 50, rng=rng)) for rng in (0, np.random.default_rng(0), 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


WRONG = [{"N": 0}, {"batch_size": 0}, {"epochs": 0}, {"batch_size": 2.5}, {"N": True}]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_minibatches_say_at_once_what_is_wrong(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}: expected a whole number of at least 1, got {value}"):
        data.minibatches(**{"N": 10, "batch_size": 2, "rng": 0} | wrong)
