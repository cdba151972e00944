"""Schedules give the learning rates of torch.optim.lr_scheduler, step by step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltwice import nn, optim

drawn = settings(max_examples=40, deadline=None, derandomize=True)
rates = st.sampled_from([1e-3, 0.02, 0.3])


def assert_same_rates(make, lr, steps=60, change=None):
    ours = optim.SGD(nn.Linear(1, 1).parameters(), lr=lr)
    theirs = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=lr)
    schedule, torch_schedule = make(optim.lr_scheduler, ours), make(torch.optim.lr_scheduler, theirs)
    for step in range(steps):
        assert schedule.get_last_lr() == [ours.lr]
        assert ours.lr == pytest.approx(torch_schedule.get_last_lr()[0], rel=1e-10, abs=1e-15)
        assert type(ours.lr) is float
        if step == change:
            ours.lr = theirs.param_groups[0]["lr"] = 0.7
        theirs.step()
        schedule.step()
        torch_schedule.step()
    assert schedule.last_epoch == torch_schedule.last_epoch == steps


@drawn
@given(lr=rates, step_size=st.integers(1, 30), gamma=st.sampled_from([0.1, 0.5, 1.0]))
def test_step_lr_equals_torch(lr, step_size, gamma):
    assert_same_rates(lambda library, optimizer: library.StepLR(optimizer, step_size, gamma), lr)


@drawn
@given(lr=rates, T_max=st.integers(1, 40), eta_min=st.sampled_from([0.0, 1e-4, 0.01]))
def test_cosine_equals_torch(lr, T_max, eta_min):
    assert_same_rates(lambda library, optimizer: library.CosineAnnealingLR(optimizer, T_max, eta_min), lr)


def test_schedules_follow_a_rate_that_was_changed_by_hand():
    assert_same_rates(lambda library, optimizer: library.StepLR(optimizer, 7), 0.3, change=10)
    assert_same_rates(lambda library, optimizer: library.CosineAnnealingLR(optimizer, 40), 0.3, change=10)


def test_cosine_is_half_a_cosine():
    layer = nn.Linear(1, 1)
    steps = optim.SGD(layer.parameters(), lr=0.5)
    schedule, rates = optim.lr_scheduler.CosineAnnealingLR(steps, 10, eta_min=0.1), [0.5]
    for _ in range(10):
        schedule.step()
        rates.append(steps.lr)
    np.testing.assert_allclose(rates, 0.1 + 0.4 * (1 + np.cos(np.pi * np.arange(11) / 10)) / 2, atol=1e-12)


STEPS = optim.SGD(nn.Linear(1, 1).parameters())
WRONG = [
    (lambda: optim.lr_scheduler.StepLR(STEPS, 0), "step_size must be at least 1"),
    (lambda: optim.lr_scheduler.StepLR(nn.ReLU(), 1), "optimizer must be one of dltwice.optim, got ReLU"),
    (lambda: optim.lr_scheduler.CosineAnnealingLR(STEPS, 0.5), "T_max must be an integer"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
