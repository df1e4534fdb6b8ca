"""What tensors and loops are to a layer, whatever they are called.

Of a convolution ``Y[k,p,q] += X[c,p + r,q + s] * W[k,c,r,s]`` every loop has its usual letter.  Of
any other workload loops get the letter of what they do alike:

=======  =====================================================================
g        moves all tensors: groups, heads, batched products
k        moves outputs and weights: output channels, columns of a product
c        moves inputs and weights, summed: input channels, depth of a product
r s t    the same within a sum with a p, q or z: positions in a window
p q z    moves outputs and inputs: output positions, rows of a product
n        further ones of these: batch
=======  =====================================================================
"""

from __future__ import annotations

from typing import Literal, get_args

from accelgen.affine.blocks import scale_name
from accelgen.affine.workload import Workload

__all__ = ["LOOP_ROLES", "ROLES", "Role", "loop_roles", "tensor_roles"]

Role = Literal["inputs", "weights", "outputs"]
"""What a tensor is to a layer."""

ROLES: tuple[Role, ...] = get_args(Role)

LOOP_ROLES = ("g", "n", "k", "c", "p", "q", "z", "r", "s", "t")

_POSITIONS, _TAPS = ("p", "q", "z"), ("r", "s", "t")


def tensor_roles(workload: Workload, weights: str | None = None) -> dict[str, Role]:
    """The role of every tensor (scales of blocks have that of their blocks).

    ``weights`` names the input with parameters; without a name it is the last of several inputs.
    """
    inputs = [access.tensor for access in workload.assignment.inputs]
    if weights is None and len(inputs) > 1:
        weights = inputs[-1]
    roles: dict[str, Role] = {}
    for name in inputs:
        role: Role = "weights" if name == weights else "inputs"
        roles[name] = roles[scale_name(name)] = role
    roles[workload.assignment.output.tensor] = "outputs"
    return {name: roles[name] for name in workload.tensors}


def loop_roles(workload: Workload, weights: str | None = None) -> dict[str, str]:
    """The role of every loop, one of :data:`LOOP_ROLES`."""
    roles = tensor_roles(workload, weights)
    moved: dict[str, set[str]] = {loop: set() for loop in workload.loops}
    windows: list[tuple[str, ...]] = []
    for access in workload.accesses:
        for row in access.matrix:
            together = tuple(x for x, c in zip(workload.loops, row, strict=True) if c)
            for loop in together:
                moved[loop].add(roles[access.name])
            if len(together) > 1 and together not in windows:
                windows.append(together)
    found: dict[str, str] = {}
    for number, together in enumerate(windows[: len(_TAPS)]):
        for loop in together:
            found[loop] = (_POSITIONS if "outputs" in moved[loop] else _TAPS)[number]
    pixels = []
    for loop in workload.loops:
        if loop in found:
            continue
        if moved[loop] == {"outputs", "inputs"}:
            pixels.append(loop)
        elif "outputs" not in moved[loop]:
            found[loop] = "c"
        else:
            found[loop] = "k" if "inputs" not in moved[loop] else "g"
    # Without windows the last two of them are the positions, as they would be with a window of 1.
    last = [] if windows else pixels[-2:]
    found |= dict.fromkeys(pixels, "n") | dict(zip(last, _POSITIONS, strict=False))
    return {loop: found[loop] for loop in workload.loops}
