"""Write a design whose bounds are registers into a folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from accelgen.names import check_name
from accelgen.output_folder import check_replaceable, replace_folder, writing
from accelgen.pipeline import Source, described
from accelgen.processor.c_driver import write_driver
from accelgen.processor.c_header import write_header
from accelgen.processor.design import ProcessorDesign, design_processor
from accelgen.processor.manifest import dumps, to_json
from accelgen.processor.report import write_report

__all__ = ["generate_processor"]


def generate_processor(
    descriptions: Sequence[Source],
    output: Path | str,
    *,
    name: str,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int | None = None,
    words: Mapping[str, int] | None = None,
    accumulate_in: bool = False,
    output_stage: int | None = None,
    without: Collection[str] = (),
    progress: Callable[[str], None] | None = None,
) -> ProcessorDesign:
    """Write one design of several dataflows, whose bounds are registers, into a folder.

    It holds ``<name>.v``, ``manifest.json``, ``report.md``, and a driver in C, ``<name>.h`` and
    ``<name>.c``.

    The design reaches the bounds of the ``descriptions``.  ``words`` gives, per tensor of the
    design, how many words each of its memories has, where that is not what the largest bounds need;
    ``accumulate_in`` adds a stream of what problems may add to their result, ``output_stage`` an
    output stage to codes of so many bits.  Other arguments, and what becomes of the folder, are
    those of :func:`accelgen.generate`.

    Raises:
        InputError: a dataflow is not legal, they cannot share one array, or an option is wrong.
        InfeasibleError: no pipeline reaches ``period``.
    """
    folder = Path(output)
    check_name(name, "design")
    with writing(folder):
        check_replaceable(folder)
    made = design_processor(
        [described(source) for source in descriptions],
        name,
        period=period,
        technology=technology,
        bus_bits=bus_bits,
        words=words,
        accumulate_in=accumulate_in,
        output_stage=output_stage,
        without=without,
        progress=progress,
    )
    if progress is not None:
        progress("write Verilog")
    sources = {"v": made.verilog(), "h": write_header(made), "c": write_driver(made)}

    def fill(empty: Path) -> None:
        (empty / "report.md").write_text(write_report(made), encoding="utf-8")
        for suffix, source in sources.items():
            (empty / f"{name}.{suffix}").write_text(source, encoding="utf-8")
        (empty / "manifest.json").write_text(dumps(to_json(made)), encoding="utf-8")

    with writing(folder):
        replace_folder(folder.resolve(), fill)
    return made
