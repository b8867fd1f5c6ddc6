"""Held-out error along the clip, a panel a noise level: the extension's, and the base's run at the same length."""

from pathlib import Path

from exvideo_train.atomic import replacing
from exvideo_train.validation.evaluation import Evaluation

COLUMNS = 4
# Told apart in print and by colour-blind eyes: by dash as well as by colour (Okabe and Ito's palette).
BASE, EXTENSION, LENGTH = ("#d55e00", "--"), ("#0072b2", "-"), ("#777777", ":")


def draw(path: Path, step: int, evaluation: Evaluation, base: Evaluation | None, base_rows: int) -> None:
    """Writes the picture as PNG, to a temporary name first.

    Args:
        step: updates made.
        base_rows: temporal rows of the longest clip that the base was trained on; a line marks where it ends.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(evaluation.sigmas)
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    width, height = max(5.5, 3.2 * columns), 2.6 * rows + 1.1  # inches
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    # A layout that matplotlib works out itself takes several times as long to draw.
    edges = {"left": 0.55 / width, "right": 1 - 0.2 / width, "bottom": 0.85 / height, "top": 1 - 0.65 / height}
    figure.subplots_adjust(**edges, wspace=0.25, hspace=0.35)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, sigma, curve in zip(grid, evaluation.sigmas, evaluation.mse_by_frame, strict=False):
        axes.plot(curve, color=EXTENSION[0], linestyle=EXTENSION[1], label=f"extension, step {step}")
        axes.set_title(f"sigma {sigma:g}", fontsize=10)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    for axes, curve in zip(grid, [] if base is None else base.mse_by_frame, strict=False):
        axes.plot(curve, color=BASE[0], linestyle=BASE[1], label="base, run at this length")
    for axes in grid[:count]:
        if base_rows < len(evaluation.mse_by_frame[0]):
            axes.axvline(base_rows - 0.5, color=LENGTH[0], linestyle=LENGTH[1], linewidth=1.2, label="base's length")
        axes.set_ylim(bottom=0)  # so that a small difference does not look like a large one
    for axes in grid[count:]:
        axes.set_axis_off()
    figure.supxlabel("frame", fontsize=9, y=0.4 / height)
    figure.suptitle("Held-out mean squared error of the predicted latents along the clip", fontsize=11)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="lower center", ncols=3, fontsize=8, frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
