"""accelgen: from affine descriptions to verified spatial accelerators."""

__version__ = "0.1.0"
