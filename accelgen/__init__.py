"""accelgen: from affine descriptions to verified spatial accelerators.

>>> import accelgen
>>> description = accelgen.Description(
...     "gemm",
...     accelgen.Workload("Y[m,n] += A[m,k] * B[k,n]", {"m": 8, "n": 8, "k": 8}),
...     accelgen.Dataflow(
...         space={"i": 4, "j": 4},
...         time=["m1", "n1", "k"],
...         map={"m": "size(i)*m1 + i", "n": "size(j)*n1 + j"},
...         skew="systolic",
...     ),
... )
>>> accelgen.predict(description).compute_cycles
45

``accelgen.generate(description, "rtl_out/gemm")`` writes the Verilog and
``accelgen.verify("rtl_out/gemm")`` simulates it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from accelgen.errors import AccelgenError, InfeasibleError, InputError, MissingToolError

if TYPE_CHECKING:
    from accelgen.affine import (
        Dataflow,
        Description,
        Workload,
        load_description,
        parse_description,
    )
    from accelgen.cosim.verify import verify
    from accelgen.pipeline import design, generate, predict
    from accelgen.processor.generate import generate_processor
    from accelgen.show import draw

__all__ = [
    "AccelgenError",
    "Dataflow",
    "Description",
    "InfeasibleError",
    "InputError",
    "MissingToolError",
    "Workload",
    "__version__",
    "design",
    "draw",
    "generate",
    "generate_processor",
    "load_description",
    "parse_description",
    "predict",
    "verify",
]

__version__ = "0.1.0"

# Loaded when first used: solver, hardware library and simulator take a second to import.
_HOMES = {
    "Dataflow": "accelgen.affine",
    "Description": "accelgen.affine",
    "Workload": "accelgen.affine",
    "load_description": "accelgen.affine",
    "parse_description": "accelgen.affine",
    "design": "accelgen.pipeline",
    "draw": "accelgen.show",
    "generate": "accelgen.pipeline",
    "generate_processor": "accelgen.processor.generate",
    "predict": "accelgen.pipeline",
    "verify": "accelgen.cosim.verify",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
