"""XORFolding: a network with one hidden layer on XOR, and how its hidden units fold the plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import traitlets

from . import xor_network as network
from .base import BookWidget, Finite


class XORFolding(BookWidget):
    """The four points of XOR, a 2-h-1 network, and its training by gradient descent, step by step.

    ==========  ==============  ====================================================================
    trait       range           meaning
    ==========  ==============  ====================================================================
    hidden      1 to 50         h: hidden units
    activation  choice          "step", "identity", "sigmoid", "tanh" or "relu", of the hidden units
    weights     dict or name    the weights that training starts from, by torch's names (see below)
    seed        0 to 9999       draws the weights at the start where ``weights`` is empty
    lr          0 < lr ≤ 100    η: learning rate
    steps       1 to 5000       steps of training
    step        0 to 5000       the step that is shown; 0 is the start, and beyond the end is the end
    across, up  1 to 50         the hidden units that are the axes of the hidden plane
    point       0 to 3          which of the points (0, 0), (0, 1), (1, 0), (1, 1) has its sums written out
    predict     choice          "right": the reader guesses before training shows; "off": it shows at once
    ==========  ==============  ====================================================================

    ``weights`` is the ``state_dict`` of ``Sequential(Linear(2, h), activation, Linear(h, 1))``: W⁽¹⁾ as
    "0.weight" (h, 2), b⁽¹⁾ as "0.bias" (h,), w⁽²⁾ as "2.weight" (1, h), b⁽²⁾ as "2.bias" (1,). It may be a
    name, too: "step by hand" and "relu by hand" solve XOR with these activations, and "random" stands for
    {}: drawn from U(−1/√fan_in, 1/√fan_in) as torch does, by a small generator that the page has as well,
    and cut to three digits. A name given to the constructor brings its activation unless one is given;
    weights set ``hidden``, and a new ``hidden`` draws the weights anew.

    Training is full-batch gradient descent on ``BCEWithLogitsLoss`` in float64. The step function cannot be
    trained (its derivative is 0 wherever there is one): ``path``, ``losses`` and ``rights`` then raise
    ``ValueError``. A value out of range raises ``TraitError``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
    """

    _shown: ClassVar[tuple[str, ...]] = ("hidden", "activation", "lr", "steps", "seed", "step")
    _parts: ClassVar[tuple[str, ...]] = (
        *("core.js", "stepper.js", "frame.js", "plane.js", "random.js", "xor_math.js"),
    )

    hidden = traitlets.Int(2, min=1, max=network.MAX_HIDDEN).tag(sync=True)
    activation = traitlets.Enum(list(network.ACTIVATIONS), "tanh").tag(sync=True)
    weights = traitlets.Union([traitlets.Dict(), traitlets.Enum(list(network.BY_HAND))]).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=9999).tag(sync=True)
    lr = Finite(0.5).tag(sync=True)
    steps = traitlets.Int(500, min=1, max=network.MAX_STEPS).tag(sync=True)
    step = traitlets.Int(0, min=0, max=network.MAX_STEPS).tag(sync=True)
    across = traitlets.Int(1, min=1, max=network.MAX_HIDDEN).tag(sync=True)
    up = traitlets.Int(2, min=1, max=network.MAX_HIDDEN).tag(sync=True)
    point = traitlets.Int(0, min=0, max=3).tag(sync=True)
    predict = traitlets.Enum(["right", "off"], "right").tag(sync=True)
    program = traitlets.List(network.PROGRAM, read_only=True).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        weights = traits.get("weights") or {}
        if isinstance(weights, str) and weights in network.BY_HAND:
            traits.setdefault("activation", network.BY_HAND[weights][0])
            weights = network.BY_HAND[weights][1]
        if isinstance(weights, Mapping) and weights and "hidden" in traits:
            units = len(network.read_weights(weights)["0.bias"])
            if units != traits["hidden"]:
                raise traitlets.TraitError(
                    f"weights are for {units} hidden units, but hidden is {traits['hidden']!r}. "
                    "Leave hidden out: it follows from weights."
                )
        super().__init__(**traits)

    @traitlets.validate("weights")
    def _check_weights(self, proposal: Mapping[str, Any]) -> dict[str, list]:
        """Turn a name into its numbers; check shapes, and keep lists of floats."""
        value = proposal["value"]
        weights = network.BY_HAND[value][1] if isinstance(value, str) else value
        return network.read_weights(weights) if weights else {}

    @traitlets.validate("lr")
    def _check_lr(self, proposal: Mapping[str, Any]) -> float:
        if not 0 < proposal["value"] <= network.MAX_LR:
            raise traitlets.TraitError(
                f"lr: expected a number above 0 and up to {network.MAX_LR}, got {proposal['value']!r}. "
                "Write lr=0.5."
            )
        return proposal["value"]

    @traitlets.observe("weights")
    def _hidden_follows(self, change: Mapping[str, Any]) -> None:
        if change["new"]:
            self.hidden = len(change["new"]["0.bias"])

    @traitlets.observe("hidden")
    def _weights_follow(self, change: Mapping[str, Any]) -> None:
        if self.weights and len(self.weights["0.bias"]) != change["new"]:
            self.weights = {}

    @property
    def start(self) -> dict[str, np.ndarray]:
        """The weights that training starts from, by torch's names."""
        if not self.weights:
            return network.draw_weights(self.seed, self.hidden)
        return {name: np.array(values) for name, values in self.weights.items()}

    def _training(self) -> network.Training:
        if self.activation == "step":
            raise ValueError(
                "the step function cannot be trained by gradient descent: its derivative is 0 wherever it "
                "has one. Set its weights by hand, or use activation='sigmoid' or 'tanh'."
            )
        start = tuple(network.flatten(self.start))
        return network.train(start, self.activation, self.lr, self.steps)

    @property
    def path(self) -> np.ndarray:
        """All parameters at every step, shape (steps + 1, 4h + 1).

        A row has W⁽¹⁾ row by row, b⁽¹⁾, w⁽²⁾, b⁽²⁾, as ``torch.nn.utils.parameters_to_vector`` does.
        Training that diverges ends before a parameter is beyond 10⁹, so its path is shorter.
        """
        return self._training().path

    @property
    def losses(self) -> np.ndarray:
        """The loss at every step of ``path``, shape (steps + 1,)."""
        return self._training().losses

    @property
    def rights(self) -> np.ndarray:
        """How many of the four points are right at every step of ``path``, shape (steps + 1,)."""
        return self._training().rights

    @property
    def diverged(self) -> bool:
        """Whether training ended early because a parameter grew beyond 10⁹."""
        return self.activation != "step" and len(self.path) <= self.steps

    @property
    def shown_step(self) -> int:
        """The step that the properties below are for: ``step``, as far as training goes."""
        return 0 if self.activation == "step" else min(self.step, len(self.path) - 1)

    @property
    def state_dict(self) -> dict[str, np.ndarray]:
        """The weights at the shown step, by torch's names."""
        if not self.shown_step:
            return self.start
        return network.unflatten(self.path[self.shown_step].copy())

    @property
    def hidden_values(self) -> np.ndarray:
        """The hidden units' outputs h for the four points at the shown step, shape (4, h)."""
        return network.forward(network.flatten(self.state_dict), self.activation)[0]

    @property
    def logits(self) -> np.ndarray:
        """The output z of the network for the four points at the shown step, shape (4,)."""
        return network.forward(network.flatten(self.state_dict), self.activation)[1]

    @property
    def predictions(self) -> np.ndarray:
        """The probabilities σ(z) that the network gives to "1" at the shown step, shape (4,)."""
        return network.sigmoid(self.logits)

    @property
    def loss(self) -> float:
        """The loss at the shown step: the mean binary cross-entropy over the four points."""
        return float(network.bce(self.logits))

    @property
    def right(self) -> int:
        """How many of the four points are right at the shown step: z ≥ 0 says 1, z < 0 says 0.

        A z within 10⁻⁹ of 0 counts as 0, so that rounding decides nothing.
        """
        return int(network.count_right(self.logits))

    def code(self) -> str:
        """Return the PyTorch program that computes what the widget shows."""
        start = {name: values.tolist() for name, values in self.start.items()}
        return network.torch_program(start, self.activation, self.lr, self.shown_step)
