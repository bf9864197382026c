"""Plots for notebooks, on matplotlib axes: how training went, where rows lie, and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from vaekit.data.labels import Labels
from vaekit.models.fitted import Fitted
from vaekit.tasks.embed import embed
from vaekit.tasks.plane import Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_history(fitted: Fitted, ax: Axes | None = None) -> Axes:
    """Draw the bound in nats a row after each epoch, of training rows and of those held out.

    Parameters
    ----------
    fitted : Fitted
    ax : matplotlib axes, optional
        Where to draw; without, on axes of their own.
    """
    ax = _axes(ax)
    rows = fitted.record["history"]
    for name, label in (("elbo_nats", "training"), ("valid_elbo_nats", "held out")):
        ax.plot([row["epoch"] for row in rows], [row[name] for row in rows], label=label)
    ax.set(xlabel="epoch", ylabel="ELBO, nats a row")
    ax.legend()
    return ax


def plot_codes(fitted: Fitted, data: Any, labels: Any = None, ax: Axes | None = None) -> Axes:
    """Draw where rows lie in latent space: in their own two units, or in two principal components of more.

    Parameters
    ----------
    fitted : Fitted
    data : array or frame of n_samples rows
    labels : array-like of n_samples classes, optional
        A colour for each.
    ax : matplotlib axes, optional
    """
    codes = embed(fitted, data)
    plane = Plane.of(codes)
    flat = plane.flat(codes)
    ax = _axes(ax)
    if labels is None:
        ax.scatter(flat[:, 0], flat[:, 1], s=4, linewidths=0)
    else:
        _draw_classes(ax, flat, Labels.of(labels, len(flat)))
    ax.set(xlabel=plane.names[0], ylabel=plane.names[1])
    return ax


def _draw_classes(ax: Axes, flat: NDArray[Any], labels: Labels) -> None:
    """Draw a colour for each class; rows without one are grey, below the others."""
    from matplotlib import colormaps

    n_classes = len(labels.values)
    colours = colormaps["tab10" if n_classes <= 10 else "viridis"].resampled(max(10, n_classes))
    groups = [(-1, "0.7", None), *((i, colours(i), str(value)) for i, value in enumerate(labels.values))]
    for index, colour, name in groups:
        x, y = flat[labels.index == index].T
        ax.scatter(x, y, s=4, linewidths=0, color=colour, label=name)
    ax.legend(title=labels.name, markerscale=3)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots()[1]
