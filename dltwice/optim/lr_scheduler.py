"""Schedules of the learning rate: call `step()` after each epoch, and `optimizer.lr` is set."""

from __future__ import annotations

import math

from ..nn.module import sizes
from .optimizer import Optimizer


class LRScheduler:
    """What the schedules share: `last_epoch` counts the steps, `base_lr` is the rate at the start."""

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ValueError(
                f"optimizer must be one of dltwice.optim, got {type(optimizer).__name__}: pass optim.SGD(...)"
            )
        self.optimizer, self.base_lr, self.last_epoch = optimizer, optimizer.lr, 0

    def step(self) -> None:
        """Go to the next epoch, and set the optimizer's learning rate."""
        self.last_epoch += 1
        self.optimizer.lr = self.get_lr()

    def get_lr(self) -> float:
        """Return the learning rate of epoch `last_epoch`, from the one before, `optimizer.lr`."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr")

    def get_last_lr(self) -> list[float]:
        """Return the learning rate as a list of one, as PyTorch does."""
        return [self.optimizer.lr]


class StepLR(LRScheduler):
    """Multiply the learning rate by `gamma` every `step_size` epochs.

    Raises:
        ValueError: `step_size` below 1; `optimizer` is not one of `dltwice.optim`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1
    ) -> None:
        super().__init__(optimizer)
        (self.step_size,) = sizes("step_size", step_size, 1, 1)
        self.gamma = float(gamma)

    def get_lr(self) -> float:
        """Return the last rate, times `gamma` in every `step_size`-th epoch."""
        lr = self.optimizer.lr
        return lr * self.gamma if self.last_epoch % self.step_size == 0 else lr


class CosineAnnealingLR(LRScheduler):
    """Lower the learning rate from its start to `eta_min` in `T_max` epochs, along half a cosine.

    After `T_max` epochs it rises again along the same curve.

    Raises:
        ValueError: `T_max` below 1; `optimizer` is not one of `dltwice.optim`.

    Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, section 3;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        super().__init__(optimizer)
        (self.T_max,) = sizes("T_max", T_max, 1, 1)
        self.eta_min = float(eta_min)

    def get_lr(self) -> float:
        """Return eta_min + (lr − eta_min) times the ratio of the two epochs' (1 + cos), as PyTorch does.

        Because it starts from the last rate, a rate that was changed by hand is followed.
        """
        lr, t, T_max = self.optimizer.lr, self.last_epoch, self.T_max
        if (t - 1) % (
            2 * T_max
        ) == T_max:  # the rate before was eta_min: no ratio to it
            return (
                lr + (self.base_lr - self.eta_min) * (1 - math.cos(math.pi / T_max)) / 2
            )
        now, before = (1 + math.cos(math.pi * epoch / T_max) for epoch in (t, t - 1))
        return self.eta_min + (lr - self.eta_min) * now / before
