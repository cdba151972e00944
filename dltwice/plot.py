"""One look for all figures: inline SVG that follows the page's text color, with a text alternative.

    fig, axes = plot.subplots(1, 2, width=6, height=2.5)
    axes[0].plot(losses, color=plot.COLORS["output"])
    plot.show(fig, "The loss falls from 2.3 to 0.1 in 100 steps.")

Importing this module sets the book's style for the whole process. A figure is drawn without pyplot, so that
no figure is shared between cells, and its SVG is the same, byte for byte, on every run: nbval compares it.
"""

import html
import io
import re

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

COLORS = {"input": "#0072B2", "weight": "#E69F00", "output": "#009E73", "gradient": "#D55E00"}
"""The color of each role, the same in all figures and widgets (Okabe and Ito's palette)."""

GRAY = "#808080"
"""For what is neither text nor a role: it shows on a white and on a black page."""

_TEXT = "#010203"  # stands for "the page's text color" until the SVG is written

_FONT = "DejaVu Sans"  # comes with matplotlib, so that texts are measured alike everywhere

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dltwice",
    "font.family": _FONT,
    "font.size": 9,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=list(COLORS.values())),
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "image.interpolation": "none",
    "image.cmap": "gray",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _TEXT),
}
mpl.rcParams.update(_STYLE)


def subplots(
    nrows: int = 1, ncols: int = 1, *, width: float = 6.0, height: float = 2.6, **kwargs: object
) -> tuple[Figure, Axes | np.ndarray]:
    """Like `matplotlib.pyplot.subplots`, in the book's style. `width` and `height` are in inches."""
    fig = Figure(figsize=(width, height), layout="constrained")
    fig.patch.set_alpha(0)
    axes = fig.subplots(nrows, ncols, **kwargs)
    for ax in np.ravel(axes):
        ax.patch.set_alpha(0)
    return fig, axes


class SVGFigure:
    """A drawn figure: inline SVG for pages and notebooks, its text alternative elsewhere."""

    def __init__(self, svg: str, alt: str) -> None:
        self.svg = svg
        self.alt = alt

    def __repr__(self) -> str:
        return f"[Figure: {self.alt}]"

    def _repr_html_(self) -> str:
        return f'<figure class="dlt-figure">{self.svg}</figure>'


def show(fig: Figure, alt: str) -> SVGFigure:
    """Turn a figure into SVG. `alt` says what it shows in a sentence or two, for readers who do not see it.

    Raises:
        ValueError: `alt` is empty.
    """
    if not alt.strip():
        raise ValueError("every figure needs a text alternative: say in a sentence what it shows")
    buffer = io.StringIO()
    FigureCanvasSVG(fig).print_svg(buffer, metadata={"Date": None})
    return SVGFigure(_inline(buffer.getvalue(), alt), alt)


def _inline(svg: str, alt: str) -> str:
    """Strip what an inline SVG does not need, and give it its role, label and the page's text color."""
    svg = svg[svg.index("<svg") :]
    # The style would apply to the whole page; here it stands on the figure itself.
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    referenced = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda m: m[0] if m[1] in referenced else "", svg)
    svg = svg.replace(_TEXT, "currentColor").replace(f"'{_FONT}'", f"'{_FONT}', Verdana, sans-serif")
    # On a narrow screen a figure shrinks to three quarters and then scrolls: its text stays readable.
    least = round(float(re.search(r'width="([\d.]+)pt"', svg)[1]))
    style = f"max-width: 100%; min-width: {least}px; height: auto; stroke-linejoin: round"
    label = f'<svg role="img" aria-label="{html.escape(alt)}" style="{style}"'
    return re.sub(r"\n\s*", "\n", svg.replace("<svg", label, 1)).strip()


# -- what several figures draw -------------------------------------------------------------------------
def image(ax: Axes, picture: np.ndarray, title: str = "", **kwargs: object) -> None:
    """Draw a picture `(H, W)` or `(H, W, 3)` without axes. Further arguments go to `imshow`."""
    ax.imshow(picture, **kwargs)
    ax.set_title(title, color=_TEXT)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def matrix(
    ax: Axes,
    values: np.ndarray,
    role: str,
    title: str = "",
    *,
    box: tuple[int, int, int, int] | None = None,
    box_role: str = "weight",
    fmt: str = "{:g}",
) -> None:
    """Draw a matrix `(H, W)` as cells with their numbers, framed in the color of its role.

    `box` is (row, column, height, width) of cells to frame in the color of `box_role`.
    Cells are shaded by the size of their number.
    """
    rows, columns = values.shape
    # Shaded up to a middle tone only, so that the number stays readable on a white and on a black page.
    shade = LinearSegmentedColormap.from_list(
        "shade", [(*mpl.colors.to_rgb(COLORS[role]), a) for a in (0.0, 0.3)]
    )
    largest = float(np.abs(values).max()) or 1.0
    ax.imshow(np.abs(values) / largest, cmap=shade, vmin=0, vmax=1, extent=(0, columns, rows, 0))
    for i, j in np.ndindex(rows, columns):
        text = fmt.format(values[i, j]).replace("-", "−")
        ax.text(j + 0.5, i + 0.53, text, ha="center", va="center", color=_TEXT)
    for i in range(rows + 1):
        ax.plot([0, columns], [i, i], color=GRAY, linewidth=0.5)
    for j in range(columns + 1):
        ax.plot([j, j], [0, rows], color=GRAY, linewidth=0.5)
    _frame(ax, (0, 0, rows, columns), COLORS[role])
    if box is not None:
        _frame(ax, box, COLORS[box_role], linewidth=3.0)
    ax.set(aspect="equal", xlim=(-0.1, columns + 0.1), ylim=(rows + 0.1, -0.1))
    ax.set_title(title, color=_TEXT)
    ax.axis("off")


def _frame(ax: Axes, box: tuple[int, int, int, int], color: str, linewidth: float = 1.8) -> None:
    row, column, height, width = box
    ax.add_patch(Rectangle((column, row), width, height, fill=False, edgecolor=color, linewidth=linewidth))


def operator(ax: Axes, symbol: str) -> None:
    """Write an operator such as "∗" or "=" into an axes of its own, between two matrices."""
    ax.text(0.5, 0.5, symbol, ha="center", va="center", fontsize=16, color=_TEXT, transform=ax.transAxes)
    ax.axis("off")
