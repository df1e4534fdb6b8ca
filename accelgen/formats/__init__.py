"""Number formats of tensor elements."""

from accelgen.formats.integer import IntFormat, parse_format

__all__ = ["IntFormat", "parse_format"]
