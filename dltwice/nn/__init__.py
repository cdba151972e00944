"""NumPy twin of `torch.nn`: the same classes, arguments and parameter names, each backward pass by hand."""

from .activation import ReLU
from .container import Sequential
from .conv import Conv1d, Conv2d, ConvTranspose2d
from .functional import conv_output_size
from .linear import Flatten, Linear
from .loss import CrossEntropyLoss, MSELoss
from .module import Module, Parameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Flatten",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "conv_output_size",
]
