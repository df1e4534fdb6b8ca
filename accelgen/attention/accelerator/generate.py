"""From the description of an attention layer to a folder with the Verilog of an accelerator."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.design_report import write_report
from accelgen.attention.accelerator.manifest import to_json
from accelgen.attention.accelerator.predict import LayerCycles, predict_layer
from accelgen.attention.description import AttentionDescription
from accelgen.attention.load import load_attention
from accelgen.output_folder import check_replaceable, replace_folder, writing
from accelgen.rtl.attention.kernel import AttentionKernel
from accelgen.rtl.library import UnitLibrary
from accelgen.verilog import top_verilog

__all__ = ["AttentionDesign", "attention_verilog", "generate_attention"]


@dataclass(frozen=True)
class AttentionDesign:
    """A description, the core that it gives, and the cycles of its layer 0 (or a part of it)."""

    description: AttentionDescription
    core: Core
    predicted: LayerCycles


def generate_attention(
    source: AttentionDescription | str | Path,
    output: Path | str,
    *,
    progress: Callable[[str], None] = lambda stage: None,
) -> AttentionDesign:
    """Write ``<name>.v``, ``manifest.json`` and ``report.md`` into the folder ``output``.

    ``source`` is a description, the name of a shipped one or a file.  The folder appears whole or
    not at all; one that exists is replaced when accelgen wrote it, and refused
    (:class:`InputError`) when it holds anything else, as are sizes that cannot be built.
    """
    folder = Path(output)
    description = source if isinstance(source, AttentionDescription) else load_attention(source)
    core = description.core()
    with writing(folder):
        check_replaceable(folder)
    progress("predict cycles")
    made = AttentionDesign(description, core, predict_layer(description))
    progress("write Verilog")
    verilog = attention_verilog(description.name, core)

    def fill(empty: Path) -> None:
        (empty / f"{description.name}.v").write_text(verilog, encoding="utf-8")
        report = write_report(description, core, made.predicted)
        (empty / "report.md").write_text(report, encoding="utf-8")
        manifest = json.dumps(to_json(description, core, made.predicted), indent=2)
        (empty / "manifest.json").write_text(f"{manifest}\n", encoding="utf-8")

    with writing(folder):
        replace_folder(folder.resolve(), fill)
    return made


def attention_verilog(name: str, core: Core) -> str:
    """The Verilog of a core, whose top module is ``name``."""
    library = UnitLibrary(prefix=name)
    return top_verilog(name, library, lambda: AttentionKernel(core, library))
