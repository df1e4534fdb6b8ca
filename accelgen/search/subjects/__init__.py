"""Subjects: how designs are judged, and what is recorded of them."""
