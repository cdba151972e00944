"""The book's widgets: live in JupyterLab with Python in step, live on the site without a kernel.

Each widget is three files side by side, ``conv_explorer.py``, ``.js`` and ``.css``; what they share is in
``base.py``, ``core.js`` and ``core.css``. A widget's module is imported when its name is first used.
"""

from importlib import import_module

_MODULES = {
    "BackpropStepper": "backprop_stepper",
    "ConvExplorer": "conv_explorer",
    "DescentExplorer": "descent_explorer",
    "DigitReader": "digit_reader",
    "FeatureMapCalculator": "feature_map_calculator",
    "OverfitExplorer": "overfit_explorer",
    "PerceptronBoundary": "perceptron_boundary",
    "PoolExplorer": "pool_explorer",
    "Predict": "predict",
    "XORFolding": "xor_folding",
}
__all__ = [
    "BackpropStepper",
    "ConvExplorer",
    "DescentExplorer",
    "DigitReader",
    "FeatureMapCalculator",
    "OverfitExplorer",
    "PerceptronBoundary",
    "PoolExplorer",
    "Predict",
    "XORFolding",
]


def __getattr__(name: str) -> type:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
