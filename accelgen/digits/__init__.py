"""Digits: images, and the supernet trained on them."""
