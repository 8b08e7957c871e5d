"""Plots of training runs, attention weights and models, with matplotlib; imported at first use."""

from lamina.errors import explain

try:
    import matplotlib as _matplotlib  # noqa: F401 # pyright: ignore[reportUnusedImport]
except ImportError as error:
    raise ModuleNotFoundError(
        explain(
            "Plots are drawn with matplotlib, which is not installed.",
            expected="the package matplotlib",
            received=str(error),
            remedy="Run: pip install 'lamina[plot]'",
        ),
        name=error.name,
    ) from error

from lamina.plots.attention import draw_attention, plot_attention
from lamina.plots.curves import plot_history
from lamina.plots.models import plot_model

__all__ = ["draw_attention", "plot_attention", "plot_history", "plot_model"]
