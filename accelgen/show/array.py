"""Draws one tensor on the array: units, its links by kind, its ports, its sums."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from math import gcd, hypot

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from accelgen.show.plane import HALF, Plane, Point
from accelgen.show.scene import Arrow, Kind, Node, Panel, Scene, Sum
from accelgen.show.style import COLOURS, DASHED, GREY, INK, KEPT, LINE

__all__ = ["ArrayPanel", "stroke"]

RADIUS = 0.19
"""Radius of an adder."""
STUB = 0.55
"""Length of a port's arrow outside the array."""


def stroke(
    axes: Axes,
    kind: Kind,
    start: Point,
    end: Point,
    *,
    bend: float = 0.0,
    head: bool = True,
    width: float = 1.1,
) -> None:
    """One arrow, or a line without ``head``, in the colour and dashes of its kind."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>,head_length=3.2,head_width=1.7" if head else "-",
            mutation_scale=1,
            connectionstyle=f"arc3,rad={bend}",
            shrinkA=0,
            shrinkB=0,
            linewidth=width * (0.75 if kind == "fallback" else 1),
            linestyle=(0, (2.2, 1.3)) if kind in DASHED else "solid",
            color=COLOURS[kind],
            zorder=4,
        )
    )


class ArrayPanel:
    """One panel of a scene, drawn in the steps of its plane on ``axes``."""

    def __init__(self, axes: Axes, plane: Plane, scene: Scene, panel: Panel) -> None:
        self.axes, self.plane, self.scene, self.panel = axes, plane, scene, panel
        self.sums = {tree.number: tree for tree in panel.sums}
        self.flow = self._flow()

    def draw(self, *, indices: bool = True) -> None:
        """Everything, from the back to the front; ``indices`` along the sides or not."""
        self._units()
        if indices:
            self._indices()
        self._links()
        for tree in self.panel.sums:
            if self.plane.sum_shown(tree):
                self._tree(tree)
        self._ports()
        if len(self.plane.extents) > 2:
            self._between_slices()

    # Units and what is written beside them.

    def _units(self) -> None:
        mark = "Σ" if self.panel.is_output else self.panel.tensor[:2]
        for unit in self.plane.units:
            x, y = self.plane.at(unit)
            keeps = unit in self._held
            self.axes.add_patch(
                Rectangle(
                    (x - HALF, y - HALF),
                    2 * HALF,
                    2 * HALF,
                    facecolor=KEPT if keeps else "#f6f8fa",
                    edgecolor=INK if keeps else LINE,
                    linewidth=0.8,
                    zorder=2,
                )
            )
            if keeps:
                self._text((x, y - 0.01), mark, size=7.5, weight="bold", color=INK)

    def _indices(self) -> None:
        plane, names = self.plane, self.scene.axes
        column = names[0] if len(names) == 1 else names[1]
        for layer in plane.slices.shown:
            left = plane.slices.at(layer) * plane.pitch
            for index in plane.columns.shown:
                text = f"{column}={index}" if index == 0 else str(index)
                self._text((left + plane.columns.at(index), 1.1), text)
            if plane.columns.cut:
                for row in plane.rows.shown:
                    self._dots((left + plane.columns.ellipsis, -plane.rows.at(row)), "···", 0)
                self._text((left + plane.columns.ellipsis, 1.1), "···")
            if plane.rows.cut:
                for index in plane.columns.shown:
                    at = (left + plane.columns.at(index), -plane.rows.ellipsis)
                    self._dots(at, "···", 90)
                if layer == 0:
                    self._text((-1.12, -plane.rows.ellipsis), "···", rotation=90)
            if len(names) > 2:
                middle = left + plane.width / 2
                self._text((middle, 1.62), f"{names[2]} = {layer}", size=7.5, color=INK)
        if len(names) > 1:
            for index in plane.rows.shown:
                text = f"{names[0]}={index}" if index == 0 else str(index)
                self._text((-1.0, -plane.rows.at(index)), text, ha="right")
        if plane.slices.cut:
            self._text(
                (plane.slices.ellipsis * plane.pitch + plane.width / 2, -plane.height / 2), "· · ·"
            )

    def _dots(self, at: Point, text: str, rotation: float) -> None:
        self._text(at, text, rotation=rotation, box=True)

    def _text(
        self,
        at: Point,
        text: str,
        *,
        size: float = 6.5,
        color: str = GREY,
        weight: str = "normal",
        ha: str = "center",
        rotation: float = 0,
        box: bool = False,
    ) -> None:
        self.axes.text(
            *at,
            text,
            fontsize=size,
            color=color,
            fontweight=weight,
            ha=ha,
            va="center",
            rotation=rotation,
            zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6} if box else None,
        )

    # Links between units, and between adders.

    def _node(self, node: Node) -> tuple[Point, bool]:
        if node.what == "unit":
            return self.plane.at(node.number), self.plane.shown(node.number)
        tree = self.sums[node.number]
        return self.plane.sum_at(tree), self.plane.sum_shown(tree)

    def _layer(self, node: Node) -> int:
        """The slice of a node; adders across slices have one of their own."""
        if node.what == "unit":
            return self.plane.index(node.number)[2]
        ends = self.sums[node.number].ends
        return -1 if self.plane.crosses(ends) else self.plane.index(ends[-1])[2]

    def _inside(self) -> list[Arrow]:
        """Arrows between units or adders of one slice, trees excepted."""
        return [
            arrow
            for arrow in self.panel.arrows
            if arrow.kind != "tree"
            and "memory" not in (arrow.source.what, arrow.target.what)
            and self._layer(arrow.source) == self._layer(arrow.target)
        ]

    def _links(self) -> None:
        seen = set()
        for arrow in self._inside():
            (start, first), (end, second) = self._node(arrow.source), self._node(arrow.target)
            if not (first or second) or (arrow.kind, start, end) in seen or start == end:
                continue
            seen.add((arrow.kind, start, end))
            if arrow.kind == "wire":
                self._wire(arrow, start, end, first, second)
            else:
                self._hop(arrow, start, end, first, second)

    def _wire(self, arrow: Arrow, start: Point, end: Point, first: bool, second: bool) -> None:
        """A line with a dot in every unit it feeds; from a register it starts at the unit."""
        kept = arrow.source.number in self._held
        begin = self._border(arrow.source, start, end) if kept and first else start
        stroke(self.axes, "wire", begin, end, bend=_bend(start, end), head=False, width=1.3)
        for point, shown in ((start, first and not kept), (end, second)):
            if shown:
                self._tap(point)

    def _tap(self, at: Point, kind: Kind = "wire") -> None:
        self.axes.add_patch(Circle(at, 0.075, color=COLOURS[kind], linewidth=0, zorder=5))

    def _hop(self, arrow: Arrow, start: Point, end: Point, first: bool, second: bool) -> None:
        bend = _bend(start, end)
        if bend:
            a, b = self._over(start, end, bend)
        else:
            a = self._border(arrow.source, start, end) if first else start
            b = self._border(arrow.target, end, start) if second else end
        stroke(self.axes, arrow.kind, a, b, bend=bend, head=second)
        if arrow.label and first and second:
            dx, dy = b[0] - a[0], b[1] - a[1]
            middle = ((a[0] + b[0]) / 2 + bend * dy / 2, (a[1] + b[1]) / 2 - bend * dx / 2)
            if arrow.kind == "fifo":
                # Off the middle, so that the arrow's head stays in sight.
                self._boxed((middle[0] - 0.13 * dx, middle[1] - 0.13 * dy), arrow.label)
            else:
                length = hypot(dx, dy) or 1.0
                beside = (middle[0] + 0.19 * abs(dy) / length, middle[1] + 0.26 * abs(dx) / length)
                self._text(beside, arrow.label, size=6, color=COLOURS[arrow.kind])

    def _boxed(self, at: Point, text: str) -> None:
        """The depth of a FIFO in a box."""
        box = {
            "boxstyle": "square,pad=0.14",
            "facecolor": "white",
            "edgecolor": COLOURS["fifo"],
            "linewidth": 0.7,
        }
        self.axes.text(
            *at,
            text,
            fontsize=5.5,
            color=COLOURS["fifo"],
            ha="center",
            va="center",
            zorder=6,
            bbox=box,
        )

    def _over(self, start: Point, end: Point, bend: float) -> tuple[Point, Point]:
        """Where a curved line leaves and meets the units: on the side to which it bends."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = hypot(dx, dy)
        side = (dy / length * _sign(bend), -dx / length * _sign(bend))
        out = (side[0] * HALF + 0.12 * dx / length, side[1] * HALF + 0.12 * dy / length)
        back = (side[0] * HALF - 0.12 * dx / length, side[1] * HALF - 0.12 * dy / length)
        return (start[0] + out[0], start[1] + out[1]), (end[0] + back[0], end[1] + back[1])

    def _border(self, node: Node, centre: Point, towards: Point) -> Point:
        """Where the straight line between two centres leaves the shape of the first."""
        dx, dy = towards[0] - centre[0], towards[1] - centre[1]
        reach = max(abs(dx), abs(dy)) if node.what == "unit" else hypot(dx, dy)
        share = (HALF if node.what == "unit" else RADIUS) / reach
        return centre[0] + dx * share, centre[1] + dy * share

    # Adder trees: a bus under (beside) the units, and the adder at its end.

    def _tree(self, tree: Sum) -> None:
        end = self.plane.sum_at(tree)
        if not self.plane.crosses(tree.ends):
            units = [unit for unit in tree.ends if self.plane.shown(unit)]
            rows = sorted({self.plane.index(unit)[0] for unit in tree.ends})
            columns = sorted({self.plane.index(unit)[1] for unit in tree.ends})
            if len(rows) == 1:
                self._bus([self.plane.at(unit) for unit in units], end, down=False)
            elif len(columns) == 1:
                self._bus([self.plane.at(unit) for unit in units], end, down=True)
            elif len(tree.ends) == len(rows) * len(columns):
                self._grid_bus(units, end)
            else:
                self._path([self.plane.at(unit) for unit in units], end)
        self.axes.add_patch(
            Circle(
                end,
                RADIUS,
                facecolor=KEPT if tree.held else "white",
                edgecolor=COLOURS["tree"],
                linewidth=1.0,
                zorder=5,
            )
        )
        self._text(end, "Σ" if tree.held else "+", size=7, color=COLOURS["tree"], weight="bold")

    def _line(self, *points: Point) -> None:
        self.axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            color=COLOURS["tree"],
            linewidth=1.1,
            zorder=3,
            solid_joinstyle="round",
        )

    def _bus(self, units: list[Point], end: Point, *, down: bool) -> None:
        """Units of one row (column): a bus in the gap below (beside) them."""
        x, y = units[0]
        if down:
            for _, unit in units:
                self._line((x + HALF, unit), (x + 0.5, unit))
            turn = end[1] + 0.5 if end[0] == x else end[1]
            tip = (end[0], end[1] + RADIUS)
            self._line((x + 0.5, y), (x + 0.5, max(turn, tip[1])))
            if end[0] == x:
                self._line((x + 0.5, turn), (x, turn))
            stroke(self.axes, "tree", (tip[0], turn if end[0] == x else tip[1] + 0.05), tip)
        else:
            for unit, _ in units:
                self._line((unit, y - HALF), (unit, y - 0.5))
            turn = end[0] - 0.5 if end[1] == y else end[0]
            tip = (end[0] - RADIUS, end[1])
            self._line((x, y - 0.5), (min(turn, tip[0]), y - 0.5))
            if end[1] == y:
                self._line((turn, y - 0.5), (turn, y))
            stroke(self.axes, "tree", (turn if end[1] == y else tip[0] - 0.05, tip[1]), tip)

    def _grid_bus(self, units: list[int], end: Point) -> None:
        """A block of units: a bus per row into a trunk before the adder."""
        trunk = end[0] - 0.5
        heights = []
        for row in sorted({self.plane.index(unit)[0] for unit in units}):
            places = [self.plane.at(unit) for unit in units if self.plane.index(unit)[0] == row]
            for x, y in places:
                self._line((x, y - HALF), (x, y - 0.5))
            height = places[0][1] - 0.5
            heights.append(height)
            self._line((places[0][0], height), (trunk, height))
        heights.append(end[1])
        self._line((trunk, max(heights)), (trunk, min(heights)))
        stroke(self.axes, "tree", (trunk, end[1]), (end[0] - RADIUS, end[1]))

    def _path(self, units: list[Point], end: Point) -> None:
        """Units on a diagonal: a line through them, with a dot in each."""
        self._line(*units)
        for unit in units:
            self._tap(unit, "tree")
        x, y = units[-1]
        reach = hypot(end[0] - x, end[1] - y)
        share = 1 - RADIUS / reach
        stroke(self.axes, "tree", (x, y), (x + (end[0] - x) * share, y + (end[1] - y) * share))

    # Memory ports: from outside the array where the flow begins, else from a corner.

    def _flow(self) -> dict[Node, list[Point]]:
        """For each node the directions in which the tensor flows through it, level ones first.

        A node without links takes the direction of most others.
        """
        directions: dict[Node, set[Point]] = {}
        common: Counter[Point] = Counter()
        for arrow in self._inside():
            near = arrow.target if self.panel.is_output else arrow.source
            (a, _), (b, _) = self._node(arrow.source), self._node(arrow.target)
            step = (_sign(b[0] - a[0]), _sign(b[1] - a[1]))
            if step != (0.0, 0.0):
                common[step] += 1
                directions.setdefault(near, set()).add(step)
        default = {max(common, key=lambda s: (common[s], s))} if common else set()
        return {
            node: sorted(directions.get(node, default), key=lambda s: (abs(s[1]), s))
            for arrow in self.panel.arrows
            for node in (arrow.source, arrow.target)
            if node.what != "memory"
        }

    def _ports(self) -> None:
        for arrow in self.panel.arrows:
            if "memory" not in (arrow.source.what, arrow.target.what):
                continue
            node = arrow.source if self.panel.is_output else arrow.target
            centre, shown = self._node(node)
            if not shown:
                continue
            back = 1.0 if self.panel.is_output else -1.0
            dx, dy = self._outward(node, back)
            if dx or dy:
                inner = self._reach(node)
                outer = inner + (STUB if not (dx and dy) else 0.75 * STUB)
                tip = (centre[0] + dx * inner, centre[1] + dy * inner)
                tail = (centre[0] + dx * outer, centre[1] + dy * outer)
            else:
                corner = HALF if node.what == "unit" else RADIUS * 0.7
                tip = (centre[0] + back * corner, centre[1] - back * corner)
                tail = (tip[0] + back * 0.3, tip[1] - back * 0.3)
            if self.panel.is_output:
                tip, tail = tail, tip
            stroke(self.axes, arrow.kind, tail, tip)
            if node.what == "unit" and not self.panel.is_output and self._wired(node):
                stroke(self.axes, "wire", tip, centre, head=False, width=1.3)
                self._tap(centre)

    def _wired(self, node: Node) -> bool:
        return node in self._wire_sources and node.number not in self._held

    @cached_property
    def _held(self) -> frozenset[int]:
        return frozenset(self.panel.held)

    @cached_property
    def _wire_sources(self) -> frozenset[Node]:
        return frozenset(a.source for a in self.panel.arrows if a.kind == "wire")

    def _reach(self, node: Node) -> float:
        return HALF if node.what == "unit" else RADIUS

    def _outward(self, node: Node, back: float) -> Point:
        """The way out of the array against (``back`` = -1) or along the flow, or (0, 0)."""
        flow = self.flow[node]
        if node.what == "sum":
            tree = self.sums[node.number]
            if self.plane.crosses(tree.ends):
                return self._free(tree.ends[0], *flow[0]) if flow else (0.0, 0.0)
            if flow:
                return flow[0]
            x, y = self.plane.sum_at(tree)
            last = self.plane.at(tree.ends[-1])
            if x > last[0] + 0.6:
                return 1.0, 0.0
            return (0.0, -1.0) if y < last[1] - 0.6 else (0.0, 0.0)
        if len(self.plane.extents) == 1 and not flow:
            return 0.0, -back
        ways = (self._free(node.number, back * dx, back * dy) for dx, dy in flow)
        return next((way for way in ways if way != (0.0, 0.0)), (0.0, 0.0))

    def _free(self, unit: int, dx: float, dy: float) -> Point:
        """The direction if it leads from the unit out of its slice, else (0, 0)."""
        row, column, _ = self.plane.index(unit)
        rows, columns = self.plane.rows.size, self.plane.columns.size
        beside = column + dx < 0 or column + dx >= columns
        above = row - dy < 0 or row - dy >= rows
        return (dx, dy) if (dx or dy) and (beside or above) else (0.0, 0.0)

    # Links from slice to slice are many and alike: one line says how many.

    def _between_slices(self) -> None:
        bundles: Counter[tuple[Kind, int, int, str]] = Counter()
        for arrow in self.panel.arrows:
            if "memory" in (arrow.source.what, arrow.target.what):
                continue
            a, b = self._layer(arrow.source), self._layer(arrow.target)
            if a != b:
                bundles[arrow.kind, a, b, arrow.label] += 1
        if not bundles:
            return
        plane = self.plane
        low = -plane.height - HALF - 0.18
        bus = low - 0.4
        sums = sorted({key[1] for key in bundles if key[2] == -1})
        for layer in sums:
            if plane.slices.visible(layer):
                left = plane.slices.at(layer) * plane.pitch
                self._line((left - HALF, low), (left + plane.width + HALF, low))
                self._line((left + plane.width / 2, low), (left + plane.width / 2, bus))
        if sums:
            x, middle = plane.sum_slice - 0.95, -plane.height / 2
            self._line((plane.slices.at(sums[0]) * plane.pitch + plane.width / 2, bus), (x, bus))
            self._line((x, bus), (x, middle))
            stroke(self.axes, "tree", (x, middle), (x + 0.6, middle), width=1.6)
            text = f"{len(self.panel.sums)} trees of {len(sums)}"
            self._text((x + 0.1, bus), text, ha="left", color=COLOURS["tree"])
            self._text((plane.sum_slice + plane.width / 2, 1.62), "sums", size=7.5, color=INK)
        levels: Counter[tuple[int, int]] = Counter()
        for (kind, a, b, label), count in sorted(bundles.items()):
            if b == -1 or not (plane.slices.visible(a) or plane.slices.visible(b)):
                continue
            y = -plane.height / 2 - 0.55 * levels[a, b]
            levels[a, b] += 1
            forward = 1.0 if b > a else -1.0
            start = plane.slices.at(a) * plane.pitch + plane.width * (forward > 0)
            stop = plane.slices.at(b) * plane.pitch + plane.width * (forward < 0)
            p = (start + forward * (HALF + 0.1), y)
            q = (stop - forward * (HALF + 0.1), y)
            stroke(self.axes, kind, p, q, head=kind != "wire", width=2.0)
            text = f"{count}\N{MULTIPLICATION SIGN}" + (f" ({label})" if label else "")
            self._text(((p[0] + q[0]) / 2, y + 0.28), text, color=COLOURS[kind])


def _bend(start: Point, end: Point) -> float:
    """Curve a line that would run through the units between its ends, upwards or to the right."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    whole = dx == round(dx) and dy == round(dy)
    if not whole or gcd(round(abs(dx)), round(abs(dy))) <= 1:
        return 0.0
    return 0.25 if dx < 0 or (dx == 0 and dy > 0) else -0.25


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))
