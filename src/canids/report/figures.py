"""Training curves, ROC curves and the fusion's choice of alpha."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import NullFormatter
from sklearn.metrics import auc, roc_curve

from canids.report.formats import auroc, detector_name, number, power_of_ten
from canids.report.inputs import BASELINE, Evaluation, Model
from canids.report.style import FAINT, INK, colour, figure, svg

PANEL = (4.8, 2.9)  # in
LINES = {"student": "solid", "teacher": (0, (4, 1.5)), BASELINE: (0, (1, 1.2))}
DECADES = 100  # a loss that changes by more than this factor is shown on a log axis
ACTIONS = np.arange(21) / 20


def draw_training(models: Sequence[Model]) -> Markup:
    """Training and validation curve of one model, a line for each seed.

    Args:
        models: the seeds of one model and scale.
    """
    name, scale = models[0].name, models[0].scale
    x, what = ("step", "reward") if name == "fusion" else ("epoch", "loss")
    selected = "select_reward" if name == "fusion" else "val_loss"
    drawn = figure(*PANEL)
    axes = drawn.subplots()
    for place, model in enumerate(models):
        history = model.history
        for column, ink, label in ((f"train_{what}", FAINT, "training"), (selected, colour(name), "validation")):
            axes.plot(history[x], history[column], color=ink, label=label if place == 0 else None)
        kept = history.loc[_kept(model)]
        axes.plot(kept[x], kept[selected], "o", color=colour(name), markersize=4)
    shown = np.concatenate([line.get_ydata() for line in axes.lines])
    shown = shown[np.isfinite(shown)]
    if what == "loss" and shown.min() > 0 and shown.max() > DECADES * shown.min():
        axes.set_yscale("log")
        _label_decades(axes.yaxis)
    axes.set(title=f"{detector_name(name)}, {scale}", xlabel=x, ylabel=what)
    axes.legend()
    return svg(drawn, f"Training and validation {what} of the {detector_name(name)} {scale}")


def draw_roc(evaluations: Sequence[Evaluation], scenario: str) -> Markup | None:
    """ROC curves of every detector and scale in a scenario, the operating points marked; None without both classes."""
    tested = [(e, e.scores.filter((pl.col("role") == "test") & (pl.col("scenario") == scenario))) for e in evaluations]
    normal = min(int((windows["label"] == 0).sum()) for _, windows in tested)
    if normal == 0 or not (tested[0][1]["label"] == 1).any():
        return None
    # a rate of zero has no place on a log axis: it is drawn at the left edge, below one window in `normal`
    left = 10.0 ** np.floor(np.log10(0.9 / normal))
    drawn = figure(PANEL[0], PANEL[1] + 0.9)
    axes = drawn.subplots()
    axes.set_xscale("log")
    _label_decades(axes.xaxis)
    areas: dict[tuple[str, str], list[float]] = {}
    for evaluation, windows in tested:
        for name in evaluation.thresholds:
            area = _roc(axes, windows, name, evaluation.scale, left)
            areas.setdefault((name, evaluation.scale), []).append(area)
    scales = {scale: [name for name, s in areas if s == scale] for _, scale in areas}
    longest = max(len(names) for names in scales.values())
    for scale, names in scales.items():
        for name in names:
            what = "" if scale == BASELINE else f" {scale}"
            label = f"{detector_name(name)}{what} {auroc(float(np.mean(areas[name, scale])))}"
            axes.plot([], [], color=colour(name), linestyle=LINES[scale], label=label)
        for _ in range(longest - len(names)):  # each scale has a column of the legend
            axes.plot([], [], linestyle="none", label=" ")
    axes.set(xlim=(left, 1), ylim=(0, 1.03), xlabel="false-positive rate", ylabel="recall", title=scenario)
    drawn.legend(title="AUROC", title_fontsize=7, loc="outside lower center", ncols=len(scales))
    return svg(drawn, f"ROC curves of {scenario}")


def draw_alpha(evaluations: Sequence[Evaluation]) -> Markup:
    """How often the fusion chose each alpha in the test captures, by attack type.

    Args:
        evaluations: the seeds of one scale; their windows are counted together.
    """
    windows = pl.concat([e.scores.select("role", "attack_type", "alpha") for e in evaluations])
    groups = list(windows.filter(pl.col("role") == "test").group_by("attack_type", maintain_order=True))
    drawn = figure(PANEL[0], 0.75 + 0.5 * len(groups))
    rows = drawn.subplots(len(groups), sharex=True, squeeze=False)[:, 0]
    for axes, ((attack_type,), each) in zip(rows, groups, strict=True):
        alpha = each["alpha"].to_numpy()
        share = np.bincount(np.rint(alpha * 20).astype(int), minlength=len(ACTIONS)) / len(alpha)
        axes.bar(ACTIONS, share, width=0.04, color=colour("fusion"))
        axes.axvline(alpha.mean(), color=INK, linewidth=1, linestyle=(0, (2, 1.5)))
        axes.set(xlim=(-0.03, 1.03), ylim=(0, max(share) * 1.05), yticks=())
        axes.grid(False)
        axes.set_ylabel(f"{attack_type}\nmean {number(float(alpha.mean()))}", rotation=0, ha="right", va="center")
    rows[0].set_title(f"Fusion, {evaluations[0].scale}")
    rows[-1].set_xlabel("α (0: VGAE alone, 1: GAT alone)")
    return svg(drawn, f"Shares of windows in which the {evaluations[0].scale} fusion chose each alpha, by attack type")


def _kept(model: Model) -> int:
    """The row of a model's history whose state was kept."""
    if model.name == "fusion":
        return model.history["kept"].idxmax()
    return model.history["epoch"].sub(model.metrics["best_epoch"]).abs().idxmin()


def _label_decades(axis: Axis) -> None:
    axis.set_major_formatter(lambda value, _: power_of_ten(value))
    axis.set_minor_formatter(NullFormatter())


def _roc(axes: Axes, windows: pl.DataFrame, name: str, scale: str, left: float) -> float:
    """Draw one curve and its operating point; the area under the curve."""
    false_positive, true_positive, _ = roc_curve(windows["label"].to_numpy(), windows[name].to_numpy())
    at = np.maximum(false_positive, left)
    axes.plot(at, true_positive, color=colour(name), linestyle=LINES[scale], drawstyle="steps-post")
    alarm, attacked = windows[f"{name}_alarm"], windows["label"] == 1
    x = max((alarm & ~attacked).sum() / (~attacked).sum(), left)
    y = (alarm & attacked).sum() / attacked.sum()
    face = colour(name) if scale == "student" else "white"
    axes.plot(x, y, "o", color=colour(name), markerfacecolor=face, markersize=4.5, clip_on=False)
    return auc(false_positive, true_positive)
