"""Designs whose bounds are registers, and which run several dataflows on one array."""
