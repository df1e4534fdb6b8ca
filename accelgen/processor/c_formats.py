"""C of formats: what a problem chooses, as enums, fields, and registers; bounds in blocks."""

from __future__ import annotations

from accelgen.processor.design import ProcessorModel

__all__ = ["format_enums", "format_fields", "format_functions", "without_idle_calls"]

_CHOICE = ("    put_formats(&w, problem);\n",)
_BLOCKS = (
    "    uint32_t blocks[MAX_LOOPS];\n",
    "    w.bound = count_blocks(problem, w.flow->loops, blocks);\n",
)
_STAGE = ("    put_stage(&w, problem);\n", "        put_planes(w, m.shape);\n")
"""Lines of the driver that only some designs have."""


def format_enums(design: ProcessorModel) -> str:
    """An enum per register with a format; nothing in a design without."""
    enums = []
    for choice in design.choices:
        loud = choice.register.upper()
        items = ",\n".join(
            f"    ACCELERATOR_{loud}_{name.upper()} = {k}" for k, name in enumerate(choice.names)
        )
        enums.append(f"enum accelerator_{choice.register} {{\n{items}\n}};\n\n")
    return "".join(enums)


def format_fields(design: ProcessorModel) -> str:
    """A field per register in the struct that describes a problem."""
    return "".join(
        f"    enum accelerator_{choice.register} {choice.register};\n" for choice in design.choices
    )


def format_functions(design: ProcessorModel) -> list[str]:
    """The functions of a design with formats to choose, or with blocks."""
    return [*_put_formats(design), *_count_blocks(design)]


def without_idle_calls(design: ProcessorModel, source: str) -> str:
    """A part of the driver without the lines that call functions which the design lacks."""
    has_blocks = design.flows[0].fabric.kernel.blocks is not None
    has_stage = design.stage is not None
    for has, lines in (
        (bool(design.choices), _CHOICE),
        (has_blocks, _BLOCKS),
        (has_stage, _STAGE),
    ):
        for line in lines if not has else ():
            source = source.replace(line, "")
    return source


def _put_formats(design: ProcessorModel) -> list[str]:
    if not design.choices:
        return []
    numbers = {register.name: n for n, register in enumerate(design.registers)}
    lines = "\n".join(
        f"    put(w, {numbers[choice.register]}, (int64_t)problem->{choice.register});"
        for choice in design.choices
    )
    return [
        "/* The formats that the problem chooses. */\n"
        "static void put_formats(struct work *w, const struct accelerator_problem *problem)\n"
        f"{{\n{lines}\n}}\n"
    ]


def _count_blocks(design: ProcessorModel) -> list[str]:
    products = [flow.fabric.kernel.blocks for flow in design.flows]
    loops, lanes = [], 1
    for flow, product in zip(design.flows, products, strict=True):
        if product is None:
            return []
        loops.append(flow.fabric.kernel.loops.index(product.loop))
        lanes = product.pair.lanes
    return [
        f"""\
/* The bounds, with that of the loop along which blocks lie in blocks; the last may be short. */
static const uint32_t *count_blocks(const struct accelerator_problem *problem, unsigned loops,
                                    uint32_t blocks[MAX_LOOPS])
{{
    static const uint8_t block_loops[ACCELERATOR_DATAFLOWS] = {{{", ".join(map(str, loops))}}};
    unsigned along = block_loops[problem->dataflow];

    for (unsigned i = 0; i < loops; i++) {{
        blocks[i] = problem->bounds.loop[i];
    }}
    blocks[along] = (blocks[along] + {lanes - 1}u) / {lanes}u;
    return blocks;
}}
"""
    ]
