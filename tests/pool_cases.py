"""What the tests of the pooling layers draw: settings that PyTorch accepts, and inputs with ties."""

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

drawn = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@st.composite
def window_settings(draw, axes):
    """Draw what all layers with a window take: one number for all axes, or one per axis."""
    least = draw(st.integers(1, 5))
    kernel_size = draw(st.one_of(st.just(least), st.tuples(*[st.integers(1, 5)] * axes)))
    half = min(kernel_size) // 2 if isinstance(kernel_size, tuple) else kernel_size // 2
    each = [k // 2 for k in (kernel_size if isinstance(kernel_size, tuple) else [kernel_size] * axes)]
    strides = st.one_of(st.none(), st.integers(1, 5), st.tuples(*[st.integers(1, 5)] * axes))
    paddings = st.one_of(st.integers(0, half), st.tuples(*[st.integers(0, most) for most in each]))
    return {
        "kernel_size": kernel_size,
        "stride": draw(strides),
        "padding": draw(paddings),
        "ceil_mode": draw(st.booleans()),
    }


@st.composite
def draw_input(draw, axes):
    """Draw a batch or a single example, height and width apart; half of them have many equal values."""
    shape = [draw(st.integers(1, 3)), *(draw(st.integers(1, 9)) for _ in range(axes))]
    if draw(st.booleans()):
        shape.insert(0, draw(st.integers(1, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 100)))
    return rng.integers(0, 3, shape).astype(float) if draw(st.booleans()) else rng.standard_normal(shape)


def refused_by_torch(layer, x):
    try:
        layer(torch.tensor(x))
    except RuntimeError:
        return True
    return False


def reads_only_padding(layer, size):
    """Say whether PyTorch returns −∞ for a window of ones: it lies in the padding."""
    axes = zip(size, layer.kernel_size, layer.stride, layer.padding, layer.dilation, strict=True)
    return any(
        torch.isinf(torch.nn.functional.max_pool1d(torch.ones(1, 1, n), k, s, p, d, layer.ceil_mode)).any()
        for n, k, s, p, d in axes
    )
