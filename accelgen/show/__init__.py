"""Pictures of a design: the array with its links, and a space-time diagram."""

from accelgen.show.chart import Chart, make_chart
from accelgen.show.draw import What, draw
from accelgen.show.scene import Arrow, Node, Panel, Scene, make_scene

__all__ = ["Arrow", "Chart", "Node", "Panel", "Scene", "What", "draw", "make_chart", "make_scene"]
