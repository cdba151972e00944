"""OverfitExplorer: real training runs side by side, and what early stopping and dropout do to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import traitlets

from dltwice.overfit import CURVES, EPOCHS, Run, Stop, early_stop

from . import overfit_runs
from .base import BookWidget, Finite


class OverfitExplorer(BookWidget):
    """Loss and accuracy of stored training runs, epoch by epoch; ``runs`` is what ``overfit.run_all`` gives.

    ============  ============  ======================================================================
    trait         range         meaning
    ============  ============  ======================================================================
    runs          1 or more     the runs, as ``Run`` or as their ``record()``
    hidden        1 to 10,000   hidden units
    noise         0 to 1        share of wrong training labels
    dropout       0 to 0.99     p, the share of hidden units that dropout turns off
    patience      1 to 1,000    P, epochs that early stopping waits for a lower validation loss
    seed          or None       the run that is looked at; None: the mean of all seeds
    epoch         0 or more     the curves are shown up to here; past the last epoch means the last
    metric        choice        "loss" or "accuracy"
    predict       choice        "off", "best" (the best epoch) or "test" (the test accuracy): asked first
    kept          or None       settings to compare with: hidden, noise, dropout, patience
    ============  ============  ======================================================================

    Of settings left out, the nearest to 64 hidden units, 20 % wrong labels and no dropout that has a run is
    taken. A value out of range raises ``TraitError``. A setting in range may have no run, and a patience may
    be longer than the run: the widget then explains it and offers the nearest one, ``problem`` says it, and
    the computed properties raise ``ValueError``.
    """

    _shown: ClassVar[tuple[str, ...]] = (*overfit_runs.SETTINGS, "patience", "seed")
    _parts: ClassVar[tuple[str, ...]] = ("core.js", "stepper.js", "frame.js", "chart.js", "overfit_math.js")

    runs = traitlets.List().tag(
        sync=True,
        to_json=lambda runs, _: overfit_runs.pack(runs),
        from_json=lambda packed, _: overfit_runs.unpack(packed),
    )
    hidden = traitlets.Int(64, min=1, max=10_000).tag(sync=True)
    noise = Finite(0.2, min=0.0, max=1.0).tag(sync=True)
    dropout = Finite(0.0, min=0.0, max=0.99).tag(sync=True)
    patience = traitlets.Int(5, min=1, max=1000).tag(sync=True)
    seed = traitlets.Int(None, allow_none=True).tag(sync=True)
    epoch = traitlets.Int(EPOCHS, min=0).tag(sync=True)
    metric = traitlets.Enum(["loss", "accuracy"], "loss").tag(sync=True)
    predict = traitlets.Enum(["off", "best", "test"], "off").tag(sync=True)
    kept = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, runs: Iterable[Run | Mapping[str, Any]], **traits: Any) -> None:
        super().__init__(runs=[_record(run) for run in runs], **traits)
        if "epoch" not in traits:
            self.epoch = self.epochs
        for name, value in self.nearest.items():
            if name not in traits:
                setattr(self, name, value)

    @traitlets.validate("runs")
    def _checked_runs(self, proposal: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Refuse runs that could not be drawn together."""
        runs = [_record(run) for run in proposal["value"]]
        lengths = sorted({len(run[name]) for run in runs for name in CURVES})
        if len(lengths) != 1 or lengths[0] < 2:
            raise traitlets.TraitError(
                f"runs: expected one run or more, all of 1 epoch or more and equally long, got {len(runs)} "
                f"runs with curves of {lengths} numbers. Train them with the same epochs."
            )
        keys = [tuple(run[name] for name in (*overfit_runs.SETTINGS, "seed")) for run in runs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise traitlets.TraitError(
                f"runs: expected one run for each setting and seed, got two for {twice}. Remove one."
            )
        return runs

    @traitlets.validate("kept")
    def _checked_kept(self, proposal: Mapping[str, Any]) -> dict[str, Any] | None:
        """Refuse settings to compare with that have no run."""
        kept = proposal["value"]
        if kept is None:
            return None
        if kept.keys() != {*overfit_runs.SETTINGS, "patience"} or not 1 <= kept["patience"] <= self.epochs:
            raise traitlets.TraitError(
                f"kept: expected hidden, noise, dropout and a patience from 1 to {self.epochs}, got {kept}."
            )
        if not overfit_runs.of_setting(self.runs, kept):
            raise traitlets.TraitError(
                f"kept: expected settings that have a run, got {kept}. "
                f"The nearest one has {overfit_runs.nearest(self.runs, kept)}."
            )
        return kept

    @property
    def epochs(self) -> int:
        """How many epochs the runs have."""
        return len(self.runs[0]["valid_loss"]) - 1

    @property
    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*overfit_runs.SETTINGS, "seed", "patience")}

    @property
    def nearest(self) -> dict[str, Any]:
        """The settings (hidden, noise, dropout) of the stored run that is nearest to the ones chosen."""
        return overfit_runs.nearest(self.runs, self._settings)

    @property
    def problem(self) -> str:
        """Why there is nothing to show for these settings, or an empty text."""
        return overfit_runs.problem_of(self.runs, self._settings)

    @property
    def chosen(self) -> list[dict[str, Any]]:
        """The runs of the settings, one per seed."""
        if self.problem:
            raise ValueError(self.problem)
        return overfit_runs.of_setting(self.runs, self._settings)

    def curve(self, name: str) -> list[float]:
        """Return a curve of the chosen seed, or the mean over the seeds; ``name`` is one of ``CURVES``."""
        if name not in CURVES:
            raise ValueError(f"name: expected one of {CURVES}, got {name!r}")
        runs = [run for run in self.chosen if self.seed in (None, run["seed"])]
        return overfit_runs.mean_curve([run[name] for run in runs])

    @property
    def stop(self) -> Stop:
        """Where early stopping ends training and which epoch it keeps, by the validation loss shown."""
        return early_stop(self.curve("valid_loss"), self.patience)

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss shown, the first of them."""
        losses = self.curve("valid_loss")
        return losses.index(min(losses))

    @property
    def gap(self) -> float:
        """Validation loss minus training loss at ``epoch``."""
        epoch = min(self.epoch, self.epochs)
        return self.curve("valid_loss")[epoch] - self.curve("train_loss")[epoch]

    @property
    def results(self) -> list[overfit_runs.Result]:
        """What each seed reaches when the rule is applied to its own validation loss."""
        return [overfit_runs.result(run, self.patience) for run in self.chosen]

    def code(self) -> str:
        """Return a PyTorch program that makes such a run."""
        return overfit_runs.program(self._settings, self.epochs)


def _record(run: Run | Mapping[str, Any]) -> dict[str, Any]:
    """Return a run as plain data, or raise ``TraitError``."""
    given = run.record() if isinstance(run, Run) else run
    try:
        record = {"hidden": int(given["hidden"]), "noise": float(given["noise"])}
        record |= {"dropout": float(given["dropout"]), "seed": int(given["seed"])}
        curves = {name: [round(float(value), 3) for value in given[name]] for name in CURVES}
    except (KeyError, TypeError, ValueError) as error:
        raise traitlets.TraitError(
            f"runs: expected runs of overfit.train_run, got a {type(run).__name__} "
            f"({type(error).__name__}: {error}). Pass what overfit.run_all() returns."
        ) from None
    ranges = {"hidden": (1, 10_000), "noise": (0, 1), "dropout": (0, 0.99)}
    ranges |= {name: (0, 46.655 if name.endswith("loss") else 1) for name in CURVES}
    for name, (low, high) in ranges.items():
        values = np.atleast_1d((record | curves)[name])
        if not ((values >= low) & (values <= high)).all():
            raise traitlets.TraitError(
                f"runs: expected {name} from {low} to {high}, got {values.min()} to {values.max()}. "
                "Leave out a run that diverged."
            )
    return record | curves
