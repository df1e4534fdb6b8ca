"""Sources of accuracy: measured, tabular, predicted, a user's own."""

from accelgen.accuracy.source import Accuracy, AccuracyKind, AccuracySource, LayerBits

__all__ = ["Accuracy", "AccuracyKind", "AccuracySource", "LayerBits"]
