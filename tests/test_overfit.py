"""The runs on overfitting: how the set is made, the rule of early stopping, training, and what it shows."""

import json
import random

import numpy as np
import pytest
import torch

from dltwice import data, overfit
from dltwice.overfit import OverfitSet, Stop, early_stop, network, train_run


def torch_stop(losses, patience):
    """Return the rule's epochs by torch's ReduceLROnPlateau: where it would lower the learning rate first.

    Its patience is how many bad epochs it lets pass, ours the one that ends the run; its `best` is a loss.
    """
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, patience=patience - 1, threshold=0, threshold_mode="abs"
    )
    for loss in losses:
        plateau.step(loss)
        if optimizer.param_groups[0]["lr"] < 1:
            break
    return Stop(plateau.last_epoch - 1, losses.index(plateau.best))


# ---- the rule ----


def test_rule_is_that_of_torchs_plateau():
    draw = random.Random(3)
    ended = 0
    for _ in range(400):
        losses = [draw.randint(0, 12) / 4 for _ in range(draw.randint(1, 25))]  # few values: many ties
        patience = draw.randint(1, 8)
        stop = early_stop(losses, patience)
        assert stop == torch_stop(losses, patience), (losses, patience)
        ended += stop.stopped < len(losses) - 1
    assert 100 < ended < 390


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([3, 2, 1], 1, (2, 2)),
        ([3, 2, 4, 4, 1], 2, (3, 1)),
        ([3, 2, 4, 4, 1], 3, (4, 4)),
        ([1, 1, 1], 2, (2, 0)),
        ([5], 1, (0, 0)),
    ],
)
def test_rule_by_hand(losses, patience, expected):
    assert early_stop(losses, patience) == expected


@pytest.mark.parametrize(("losses", "patience"), [([], 1), ([1, 2], 0)])
def test_rule_refuses_what_it_cannot_use(losses, patience):
    with pytest.raises(ValueError, match="expected losses and a patience of at least 1"):
        early_stop(losses, patience)


# ---- the set ----


def test_the_three_parts_share_no_picture():
    made = OverfitSet.make(0.2, seed=5)
    parts = [{row.tobytes() for row in x} for x in (made.x_train, made.x_valid, made.x_test)]
    assert [len(part) for part in parts] == [overfit.TRAIN, overfit.VALID, 450]
    assert len(set.union(*parts)) == sum(map(len, parts))
    np.testing.assert_array_equal(made.x_test, data.digits().x_test.reshape(-1, 64))


@pytest.mark.parametrize("noise", [0, 0.2, 0.4, 1])
def test_as_many_labels_are_wrong_as_asked_for(noise):
    clean, made = OverfitSet.make(0.0, seed=3), OverfitSet.make(noise, seed=3)
    np.testing.assert_array_equal(made.x_train, clean.x_train)
    np.testing.assert_array_equal(made.y_train != clean.y_train, made.wrong)
    assert made.wrong.sum() == round(noise * overfit.TRAIN)
    assert set(made.y_train) <= set(range(10))
    np.testing.assert_array_equal(made.y_valid, clean.y_valid)
    np.testing.assert_array_equal(made.y_test, data.digits().y_test)


def test_right_labels_are_those_of_the_digits():
    made, digits = OverfitSet.make(0.0, seed=1), data.digits()
    label = {x.tobytes(): y for x, y in zip(digits.x_train.reshape(-1, 64), digits.y_train, strict=True)}
    for x, y in ((made.x_train, made.y_train), (made.x_valid, made.y_valid)):
        np.testing.assert_array_equal([label[row.tobytes()] for row in x], y)


def test_more_noise_keeps_the_wrong_labels_of_less():
    little, much = (OverfitSet.make(noise, seed=2) for noise in (0.2, 0.4))
    assert much.wrong[little.wrong].all()
    np.testing.assert_array_equal(much.y_train[little.wrong], little.y_train[little.wrong])


def test_a_seed_draws_its_own_set():
    assert not np.array_equal(OverfitSet.make(0, 0).x_train, OverfitSet.make(0, 1).x_train)
    np.testing.assert_array_equal(OverfitSet.make(0.4, 1).y_train, OverfitSet.make(0.4, 1).y_train)


@pytest.mark.parametrize("noise", [-0.1, 1.5, 20, float("nan")])
def test_bad_noise_is_refused(noise):
    with pytest.raises(ValueError, match=r"noise: expected a share from 0 to 1, got .* write 0.2 for 20 %"):
        OverfitSet.make(noise)


# ---- training ----


def torch_curves(hidden, noise, seed, epochs):
    """Return the five curves of a run without dropout, trained by torch from the same weights and batches."""
    made = OverfitSet.make(noise, seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Dropout(0.0), torch.nn.Linear(hidden, 10)
    ).double()
    first = network(hidden, 0.0, seed).state_dict()
    net.load_state_dict({name: torch.tensor(value) for name, value in first.items()})
    parts = {
        part: (torch.tensor(getattr(made, f"x_{part}")), torch.tensor(getattr(made, f"y_{part}")))
        for part in ("train", "valid", "test")
    }
    optimizer, loss = torch.optim.Adam(net.parameters(), lr=overfit.LR), torch.nn.CrossEntropyLoss()
    rng = np.random.default_rng([seed, 2])
    curves = {name: [] for name in overfit.CURVES}
    for epoch in range(epochs + 1):
        if epoch:
            for batch in np.split(rng.permutation(overfit.TRAIN), overfit.TRAIN // overfit.BATCH):
                optimizer.zero_grad()
                loss(net(parts["train"][0][batch]), parts["train"][1][batch]).backward()
                optimizer.step()
        with torch.no_grad():
            scores = {part: net(x) for part, (x, _) in parts.items()}
        for name, curve in curves.items():
            part, kind = name.split("_")
            y = parts[part][1]
            accuracy = (scores[part].argmax(1) == y).double().mean()
            curve.append((loss(scores[part], y) if kind == "loss" else accuracy).item())
    return curves


@pytest.mark.parametrize(("hidden", "noise", "seed"), [(16, 0.2, 0), (64, 0.4, 3)])
def test_a_run_is_torchs(hidden, noise, seed):
    run = train_run(hidden, noise, 0.0, seed, epochs=10)
    for name, curve in torch_curves(hidden, noise, seed, epochs=10).items():
        assert len(getattr(run, name)) == 11
        np.testing.assert_allclose(getattr(run, name), curve, rtol=0, atol=6e-4, err_msg=name)


def test_dropout_changes_nothing_but_the_training():
    for plain, dropped in zip(network(16, 0.0, 7), network(16, 0.5, 7), strict=True):
        for name, value in plain.params.items():
            np.testing.assert_array_equal(dropped.params[name], value)
    plain, dropped = (train_run(16, 0.2, p, 7, epochs=3) for p in (0.0, 0.5))
    assert plain.valid_loss[0] == dropped.valid_loss[0]
    assert plain.valid_loss[1] != dropped.valid_loss[1]


def test_measuring_has_dropout_off_and_training_has_it_on():
    made, net = OverfitSet.make(), network(64, 0.5, 0)
    assert overfit.measure(net, made.x_test, made.y_test) == overfit.measure(net, made.x_test, made.y_test)
    assert net.training
    assert not np.array_equal(net(made.x_test), net(made.x_test))


def test_a_run_is_the_same_every_time_and_plain_data():
    one, again, other = (train_run(4, 0.2, 0.5, seed, epochs=2) for seed in (0, 0, 1))
    assert one == again
    assert one.valid_loss != other.valid_loss
    record = json.loads(json.dumps(one.record()))
    assert overfit.Run(**record) == one
    assert record["hidden"] == 4
    assert [round(value, 3) for value in record["train_loss"]] == record["train_loss"]


def test_what_a_run_says_of_itself():
    run = overfit.Run(
        4, 0.0, 0.0, 0, [3, 2, 1, 0], [3.0, 1.0, 2.0, 0.5], [0.1] * 4, [0.1] * 4, [0.1, 0.5, 0.6, 0.7]
    )
    assert (run.best_epoch, run.test_best, run.test_last) == (3, 0.7, 0.7)
    assert run.stop(1) == Stop(stopped=2, best=1)
    assert run.test_stopped(1) == 0.5
    assert run.test_stopped(2) == 0.7


def test_run_all_is_the_grid_in_order():
    runs = overfit.run_all((4,), (0.0, 0.2), (0.0, 0.5), (0, 1), epochs=1)
    assert [(run.hidden, run.noise, run.dropout, run.seed) for run in runs] == [
        (4, noise, p, seed) for noise in (0.0, 0.2) for p in (0.0, 0.5) for seed in (0, 1)
    ]
    assert len({len(run.valid_loss) for run in runs}) == 1


# ---- what the runs show, with room for another machine's rounding ----


@pytest.fixture(scope="module")
def shown():
    """The runs that the chapter's claims are about, by noise and dropout, four seeds each."""
    grid = [(noise, p) for noise in (0.0, 0.2) for p in (0.0, 0.5)]
    return {(noise, p): [train_run(64, noise, p, seed) for seed in overfit.SEEDS] for noise, p in grid}


def test_the_validation_loss_has_a_valley_and_the_training_loss_has_none(shown):
    for run in shown[0.2, 0.0]:
        assert 3 < run.best_epoch < 32
        assert run.valid_loss[-1] > 1.1 * min(run.valid_loss)
        assert run.train_loss[-1] == pytest.approx(min(run.train_loss), abs=0.1)
        assert run.valid_loss[-1] - run.train_loss[-1] > 0.2


def test_dropout_and_early_stopping_help_every_seed_when_labels_are_wrong(shown):
    for plain, dropped in zip(shown[0.2, 0.0], shown[0.2, 0.5], strict=True):
        assert dropped.test_last > plain.test_last + 0.02
        assert plain.test_stopped(5) > plain.test_last + 0.02


def test_neither_helps_when_all_labels_are_right(shown):
    gains = [
        dropped.test_last - plain.test_last
        for plain, dropped in zip(shown[0.0, 0.0], shown[0.0, 0.5], strict=True)
    ]
    gains += [run.test_stopped(5) - run.test_last for run in shown[0.0, 0.0]]
    assert max(map(abs, gains)) < 0.04
