"""Deep Learning, Twice: every model in NumPy and in PyTorch, shown to be the same thing.

The package is light to import; `dltwice.nn` needs NumPy, `dltwice.twin` PyTorch, `dltwice.widgets` anywidget.
"""

__version__ = "0.1.0"
