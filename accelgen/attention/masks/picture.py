"""Pictures of masks: characters for a terminal, and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from accelgen.attention.masks.grid import mask_grid
from accelgen.attention.masks.mask import DIAGONAL, FULL, PARTIAL, BlockMask, HeadMask
from accelgen.show.style import COLOURS, FAINT, GREY, INK, LINE, plain_settings, save

__all__ = ["PICTURES", "draw_masks"]

PICTURES = (".svg", ".png", ".pdf")
_MOST_PANELS = 8
_CELLS = 512
"""Most cells along a side; more blocks are drawn as means."""
_KINDS = {
    FULL: ("all pairs", COLOURS["wire"]),
    DIAGONAL: ("up to the query", COLOURS["tree"]),
    PARTIAL: ("some pairs", COLOURS["hop"]),
}


def draw_masks(title: str, masks: Sequence[tuple[str, HeadMask]], path: Path) -> Path:
    """Draw labelled masks side by side, the first eight of them; returns ``path``.

    Blocks have the colour of their kind; where these are too many, or the form has none, a cell is
    the darker the more of its pairs are computed.  Raises :class:`InputError` where nothing can be
    written.
    """
    shown = masks[:_MOST_PANELS]
    columns = min(len(shown), 4)
    rows = -(-len(shown) // columns)
    with plain_settings():
        figure = Figure(figsize=(0.4 + 2.9 * columns, 0.9 + 2.9 * rows), layout="constrained")
        kinds: set[int] = set()
        for number, (label, mask) in enumerate(shown):
            axes = figure.add_subplot(rows, columns, number + 1)
            kinds |= _panel(axes, label, mask)
        more = f", {len(shown)} of {len(masks)} masks" if len(masks) > len(shown) else ""
        figure.suptitle(f"{title}{more}", fontsize=9, color=INK)
        if kinds:
            patches = [
                Patch(color=_KINDS[kind][1], label=_KINDS[kind][0]) for kind in sorted(kinds)
            ]
            figure.legend(
                handles=patches, loc="outside lower center", ncols=3, frameon=False, fontsize=7
            )
        save(figure, path)
    return path


def _panel(axes: Axes, label: str, mask: HeadMask) -> set[int]:
    """Draw one mask; the kinds of blocks that have colours."""
    found: set[int] = set()
    if isinstance(mask, BlockMask) and max(mask.rows, mask.columns) <= _CELLS:
        image = np.tile(np.array(to_rgb(FAINT)), (mask.rows, mask.columns, 1))
        colours = np.array([to_rgb(_KINDS[kind][1]) for kind in (FULL, DIAGONAL, PARTIAL)])
        image[mask.row_idx, mask.col_idx] = colours[mask.flag]
        found = set(np.unique(mask.flag).tolist())
        cell_q, cell_k = mask.block_q, mask.block_k
    else:
        grid = mask_grid(mask, _CELLS)
        image = _shaded(grid.share)
        cell_q, cell_k = grid.cell_q, grid.cell_k
    extent = (0, image.shape[1] * cell_k, image.shape[0] * cell_q, 0)
    axes.imshow(image, extent=extent, aspect="auto", interpolation="none")
    axes.set_xlim(0, mask.keys)
    axes.set_ylim(mask.queries, 0)
    if mask.queries == mask.keys:
        axes.set_box_aspect(1)
    axes.set_title(f"{label}\n{100 * mask.density:.2f} % of pairs", fontsize=8, color=INK)
    axes.set_xlabel("key", color=GREY)
    axes.set_ylabel("query", color=GREY)
    for spine in axes.spines.values():
        spine.set_color(LINE)
    return found


def _shaded(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the colour of nothing to that of all pairs; a little is visible."""
    light, dark = np.array(to_rgb(FAINT)), np.array(to_rgb(COLOURS["wire"]))
    weight = np.where(share > 0, 0.15 + 0.85 * share, 0.0)[:, :, None]
    return np.asarray(light + weight * (dark - light))
