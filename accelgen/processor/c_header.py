"""The C header of a design: its registers, its dataflows with their bounds, its driver."""

from __future__ import annotations

from accelgen.processor.c_formats import format_enums, format_fields
from accelgen.processor.c_names import dataflow_names, loop_names
from accelgen.processor.c_stage import stage_field, stage_struct
from accelgen.processor.c_tables import signed_registers
from accelgen.processor.c_text import named
from accelgen.processor.design import ProcessorModel
from accelgen.processor.registers import FIRST_REGISTER
from accelgen.rtl.processor.axil import (
    CANCEL,
    CANCELLED,
    CONTROL,
    FINISHED,
    IDENTITY,
    MAGIC,
    REFUSED,
    START,
    STATUS,
)

__all__ = ["ERRORS", "write_header"]

ERRORS = {
    "BAD_BOUNDS": (-1, "a bound is 0 or beyond the largest, or there is no such dataflow"),
    "NO_MAP": (-2, "the map has no extents at these bounds, or needs other hardware"),
    "TOO_DEEP": (-3, "a tensor takes more words than a memory has: split the problem"),
    "TOO_LARGE": (-4, "a number is beyond what its register takes: split the problem"),
    "REFUSED_START": (-5, "the device refused the start (see the REFUSED register)"),
    "BUSY": (-6, "not ready within ACCELERATOR_POLLS polls; ask again, or cancel"),
    "NO_DEVICE": (-7, "no design of accelgen answers at this address"),
    "NOT_WAITING": (-8, "no problem waits for its packets: it is computed, or there is none"),
}
"""What functions of the driver return where they fail, and why."""

_FIXED = {
    "IDENTITY": (IDENTITY, "reads ACCELERATOR_MAGIC"),
    "CONTROL": (CONTROL, "starts the problem set, or cancels it: see the bits below"),
    "STATUS": (STATUS, "see the bits below"),
    "REFUSED": (REFUSED, "offset that a start was refused for"),
    "FINISHED": (FINISHED, "problems done since reset, modulo 2**32"),
}

_API = """\
/* A device, and what its registers hold.  The caller owns it; accelerator_open fills it in. */
struct accelerator_device {
    volatile uint32_t *base;
    uint32_t started;                         /* what FINISHED reads once all is done */
    uint32_t known;                           /* whether the registers hold written[] */
    uint32_t written[ACCELERATOR_REGISTERS];
};

/* Polls of a register before a wait gives up; may be defined on the command line. */
#ifndef ACCELERATOR_POLLS
#define ACCELERATOR_POLLS 100000000u
#endif

/*
 * Use the device at an address; also after every reset.  No problem may be under way.
 * Returns 0 or ACCELERATOR_NO_DEVICE.
 */
int accelerator_open(struct accelerator_device *device, volatile uint32_t *base);

/*
 * What the registers must hold for a problem: settings[n] is for the register at offset
 * 0x40 + 4 * n.  Touches no device.  Returns 0 or an error, and then settings are void.
 *
 * Checked: bounds against the largest, tensors against the words of the memories, every number
 * against its register, and that the map has extents.  Not checked: that the map executes every
 * iteration exactly once, and every result is complete before it is written where the memory of
 * results cannot add.  Both were proven at the largest bounds, and hold at smaller ones for maps
 * that tile a loop (size(i)*i1 + i); `ProcessorModel.problem` in Python checks them at any.
 */
int accelerator_settings(const struct accelerator_problem *problem,
                         uint32_t settings[ACCELERATOR_REGISTERS]);

/*
 * Wait until registers can be written, write those that change, start.  The problem runs once its
 * inputs have been streamed in, possibly behind the one before: bringing these, and taking the
 * result, is up to the caller (DMA).  Returns 0 or an error.  A start is refused as well after a
 * value that somebody else wrote, before accelerator_open: then the next one is not.
 */
int accelerator_configure(struct accelerator_device *device,
                          const struct accelerator_problem *problem);

/*
 * End a problem that was started and still waits for its packets: registers can be written again,
 * and what has come of its packets is dropped, up to their tlast.  Of a packet that has not begun
 * nothing is taken, before the next start: stop its source.  A problem that is computed already is
 * not cancelled, it ends by itself.  Returns 0 or ACCELERATOR_NOT_WAITING.
 */
int accelerator_cancel(struct accelerator_device *device);

/*
 * Wait until every problem started has been computed; the last result may still be on its way out.
 * Returns 0 or ACCELERATOR_BUSY.
 */
int accelerator_wait_idle(const struct accelerator_device *device);

/* Problems computed since reset, modulo 2**32. */
uint32_t accelerator_finished(const struct accelerator_device *device);
"""


def write_header(design: ProcessorModel) -> str:
    """The header ``<name>.h`` of the driver that :func:`write_driver` writes."""
    most_loops = max(len(flow.description.workload.loops) for flow in design.flows)
    text = f"""\
/* {design.name}: registers and driver.  Generated by accelgen; do not edit. */
#ifndef ACCELERATOR_H
#define ACCELERATOR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* Offsets of the registers that every design has. */
{_fixed()}
#define ACCELERATOR_MAGIC 0x{MAGIC:08x}u
#define ACCELERATOR_CONTROL_START {START}u
#define ACCELERATOR_CONTROL_CANCEL {CANCEL}u
#define ACCELERATOR_STATUS_READY 1u     /* registers can be written */
#define ACCELERATOR_STATUS_COMPUTING 2u /* a problem is computed */
#define ACCELERATOR_STATUS_REFUSED 4u   /* the last start was refused */
#define ACCELERATOR_STATUS_CANCELLED {CANCELLED}u /* the last cancel found a problem that waited */

/* Offsets of the registers that describe a problem. */
{_registers(design)}

#define ACCELERATOR_REGISTERS {len(design.registers)}u

/* What functions return where they fail. */
enum accelerator_error {{
{_errors()}
}};

enum accelerator_dataflow {{
{_dataflows(design)}
}};

#define ACCELERATOR_DATAFLOWS {len(design.flows)}u

/* The bounds of the workload loops, by dataflow. */
{_bounds(design)}

{format_enums(design)}{stage_struct(design)}struct accelerator_problem {{
    enum accelerator_dataflow dataflow;
{_accumulate(design)}    union {{
{_members(design)}
        uint32_t loop[{most_loops}];{" " * (29 - len(str(most_loops)))}/* the same, in this order */
    }} bounds;
{format_fields(design)}{stage_field(design)}}};

{_API}
#ifdef __cplusplus
}}
#endif

#endif
"""
    return named(text, design.name)


def _accumulate(design: ProcessorModel) -> str:
    """The field that says whether a result is added to what comes in, where something can."""
    if not design.accumulate_in:
        return ""
    name = design.flows[0].fabric.output.tensor.name.lower()
    return f"""\
    /*
     * 0, or 1: a packet of s_axis_{name} is added to the result.  It is taken as the result leaves:
     * bringing it may not hold up the inputs.
     */
    uint32_t accumulate;
"""


def _fixed() -> str:
    width = max(map(len, _FIXED))
    return "\n".join(
        f"#define ACCELERATOR_{name.ljust(width)} 0x{offset:03x}u /* {meaning} */"
        for name, (offset, meaning) in _FIXED.items()
    )


def _registers(design: ProcessorModel) -> str:
    assert design.registers[0].offset == FIRST_REGISTER
    signed = signed_registers(design)
    width = max(len(register.name) for register in design.registers)
    lines = []
    for register in design.registers:
        kind = f"bit{'s' * (register.bits > 1)}{', signed' * (register.name in signed)}"
        lines.append(
            f"#define ACCELERATOR_REG_{register.name.upper().ljust(width)} "
            f"0x{register.offset:03x}u /* {register.bits} {kind}, "
            f"{register.least}..{register.most} */"
        )
    return "\n".join(lines)


def _errors() -> str:
    width = max(map(len, ERRORS))
    return "\n".join(
        f"    ACCELERATOR_{name.ljust(width)} = {value}, /* {meaning} */"
        if number < len(ERRORS) - 1
        else f"    ACCELERATOR_{name.ljust(width)} = {value}  /* {meaning} */"
        for number, (name, (value, meaning)) in enumerate(ERRORS.items())
    )


def _dataflows(design: ProcessorModel) -> str:
    names = dataflow_names(design)
    return ",\n".join(
        f"    ACCELERATOR_DATAFLOW_{name.upper()} = {d}" for d, name in enumerate(names)
    )


def _bounds(design: ProcessorModel) -> str:
    structs = []
    for d, name in enumerate(dataflow_names(design)):
        workload = design.flows[d].description.workload
        fields = "\n".join(
            f"    uint32_t {loop}; /* 1..{workload.bounds[own]} */"
            for own, loop in zip(workload.loops, loop_names(design, d), strict=True)
        )
        structs.append(
            f"/* {workload.expression} */\nstruct accelerator_{name}_bounds {{\n{fields}\n}};"
        )
    return "\n\n".join(structs)


def _members(design: ProcessorModel) -> str:
    return "\n".join(
        f"        struct accelerator_{name}_bounds {name};" for name in dataflow_names(design)
    )
