"""Errors that a user can act on: each says where, what, and what to do."""

from __future__ import annotations

__all__ = ["AccelgenError", "InfeasibleError", "InputError", "MissingToolError"]


class AccelgenError(Exception):
    """Base of every error accelgen raises on purpose.

    ``message`` says what is wrong, ``where`` names the file, field or unit, ``hint`` the
    smallest change that would help.  ``exit_code`` is what the command line returns.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        """One line: ``where: message; hint``."""
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}; {self.hint}" if self.hint else text


class InfeasibleError(AccelgenError):
    """The request is well formed but has no solution (exit code 1)."""


class InputError(AccelgenError):
    """Bad usage or a bad description (exit code 2)."""

    exit_code = 2


class MissingToolError(AccelgenError):
    """A compiler or tool that the command needs is not there (exit code 3)."""

    exit_code = 3
