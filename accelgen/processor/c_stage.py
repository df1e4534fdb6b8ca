"""C of an output stage: what a problem chooses, as a struct, and its registers."""

from __future__ import annotations

from accelgen.processor.design import ProcessorModel
from accelgen.processor.registers import STAGE

__all__ = ["stage_field", "stage_functions", "stage_struct"]

_STRUCT = """\
/*
 * What becomes of the sums, beside what the packet of parameters says of every channel.  Channels,
 * rows and columns follow from the bounds.  Not checked: that results fit their codes.
 */
struct accelerator_stage {
    int32_t low, high;                        /* results are clipped to these */
    uint32_t residual;                        /* 0: none; 1: codes without a sign; 2: with one */
    uint32_t average;                         /* 0: the largest of a window; 1: its average */
    uint32_t window_rows, window_columns;     /* 1 and 1, and average 0: no pooling */
    uint32_t pool_multiplier, pool_shift;     /* of the average: the sum * multiplier >> shift */
};

"""

_FIELDS = {
    "low": "low",
    "high": "high",
    "residual": "residual",
    "average": "average",
    "window_rows": "window_rows - 1",
    "window_columns": "window_columns - 1",
    "pool_multiplier": "pool_multiplier",
    "pool_shift": "pool_shift",
}
"""What registers hold, as it follows from the fields of the struct."""


def stage_struct(design: ProcessorModel) -> str:
    """The struct, where there is an output stage."""
    return _STRUCT if design.stage is not None else ""


def stage_field(design: ProcessorModel) -> str:
    """The field of the struct that describes a problem."""
    return "    struct accelerator_stage stage;\n" if design.stage is not None else ""


def stage_functions(design: ProcessorModel) -> list[str]:
    """The functions that set the registers of the stage."""
    if design.stage is None:
        return []
    numbers = {register.name: n for n, register in enumerate(design.registers)}
    at = {field.name: numbers[STAGE + field.name] for field in design.stage.fields}
    puts = "\n".join(
        f"    put(w, {at[name]}, (int64_t)problem->stage.{value});"
        for name, value in _FIELDS.items()
    )
    ranks = ", ".join(str(flow.fabric.output.tensor.rank) for flow in design.flows)
    return [
        f"""\
/* What the problem does with its sums. */
static void put_stage(struct work *w, const struct accelerator_problem *problem)
{{
{puts}
}}
""",
        f"""\
/* Channels, rows and columns: the last dimensions of the output; of two, channels and columns. */
static void put_planes(struct work *w, const int32_t shape[MAX_RANK])
{{
    static const uint8_t ranks[ACCELERATOR_DATAFLOWS] = {{{ranks}}};
    unsigned rank = ranks[w->flow - flows];

    put(w, {at["channels"]}, rank == 2 ? shape[0] - 1 : shape[rank - 3] - 1);
    put(w, {at["rows"]}, rank == 2 ? 0 : shape[rank - 2] - 1);
    put(w, {at["columns"]}, shape[rank - 1] - 1);
    if (w->setting[{at["window_rows"]}] > w->setting[{at["rows"]}] ||
        w->setting[{at["window_columns"]}] > w->setting[{at["columns"]}]) {{
        fail(w, ACCELERATOR_BAD_BOUNDS); /* no window is whole */
    }}
}}
""",
    ]
