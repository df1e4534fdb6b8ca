"""C of the registers by which a problem chooses formats: enums, fields, and what is put there."""

from __future__ import annotations

from accelgen.processor.design import ProcessorModel

__all__ = ["format_enums", "format_fields", "put_formats", "without_formats"]

_CALL = "    put_formats(&w, problem);\n"


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


def put_formats(design: ProcessorModel) -> list[str]:
    """The function that puts the fields into their registers, if there are any."""
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


def without_formats(design: ProcessorModel, source: str) -> str:
    """A part of the driver, without the call of that function where there is none."""
    return source if design.choices else source.replace(_CALL, "")
