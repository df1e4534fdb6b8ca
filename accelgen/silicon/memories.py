"""The memories of a design, and of which SRAM macros they are made.

A macro has one port.  A double buffer of accelgen writes one page and reads the other, so each of
its pages is made of macros of its own: the least significant bit of the address is the page, and a
write to a page has the port.  What is read of a page while it is written is used by nobody.
Memories that read and write one page in the same cycle (accumulating ones) stay flip-flops, unless
macros with a port for each are made up from a size table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelgen.silicon.hierarchy import Json, cells_of, modules_of, parameter

__all__ = ["Macro", "Memory", "Tiling", "find_memories", "stub", "techmap", "tile"]

PAGES = 2


@dataclass(frozen=True)
class Macro:
    """An SRAM macro with the pins of IHP's ``RM_IHPSG13_1P``; area in um2.

    With ``two_port`` it reads at ``A_ADDR`` while it writes at ``B_ADDR``, whole words.
    ``read_pj`` and ``write_pj`` are per access, ``leakage_mw`` of the macro; ``None``: not known.
    """

    cell: str
    depth: int
    width: int
    area: float
    read_pj: float | None = None
    write_pj: float | None = None
    leakage_mw: float | None = None
    bist: bool = True
    """Whether it has the pins of a built-in self test, which are tied."""
    two_port: bool = False

    @property
    def address_bits(self) -> int:
        """Bits of its address."""
        return max(1, (self.depth - 1).bit_length())


@dataclass(frozen=True)
class Memory:
    """A memory of ``depth`` words of ``width`` bits, in ``module``, ``instances`` times.

    ``paged``: its least significant address bit is the page of a double buffer.  ``masked``: bits
    of a word may be written one by one.  ``two_port``: it may be made of macros that read and write
    in the same cycle.
    """

    module: str
    cell: str
    depth: int
    width: int
    instances: int
    paged: bool
    masked: bool = False
    two_port: bool = False

    @property
    def bits(self) -> int:
        """Bits of all instances."""
        return self.depth * self.width * self.instances

    @property
    def name(self) -> str:
        """Its size, as ``64x64``."""
        return f"{self.depth}x{self.width}"


@dataclass(frozen=True)
class Tiling:
    """A page of a memory, or all of one of two ports, as rows and columns of one macro."""

    memory: Memory
    macro: Macro
    rows: int
    columns: int

    @property
    def count(self) -> int:
        """Macros of one memory, of all its pages."""
        return (1 if self.macro.two_port else PAGES) * self.rows * self.columns

    @property
    def area(self) -> float:
        """Of the macros of one memory, um2."""
        return self.count * self.macro.area


def find_memories(
    netlist: Json,
    instances: Mapping[str, int],
    pages: Sequence[tuple[int, int]],
    *,
    two_port: bool = False,
) -> list[Memory]:
    """The memories of an elaborated design (JSON by Yosys after ``memory -nomap``).

    ``instances`` counts every module; ``pages`` are words and bits of the double buffers that the
    manifest lists, both pages together.  ``two_port``: memory units that are no such double buffers
    may be macros of two ports.  Tables without a port to write are logic, no memories.
    """
    modules = modules_of(netlist)
    accumulating = {
        cell
        for name, module in modules.items()
        if re.search(r"_accumulator_\d+x\d+$", name)
        for cell in (str(c["type"]) for c in cells_of(module).values())
    }
    found = []
    for name, module in modules.items():
        for cell, item in cells_of(module).items():
            if item["type"] != "$mem_v2" or parameter(item, "WR_PORTS") == 0:
                continue
            depth, width = (parameter(item, key) for key in ("SIZE", "WIDTH"))
            simple = all(
                parameter(item, key) == 1
                for key in ("RD_PORTS", "WR_PORTS", "RD_CLK_ENABLE", "WR_CLK_ENABLE")
            )
            paged = simple and (depth, width) in pages and name not in accumulating
            ends = item["connections"]
            assert isinstance(ends, dict)
            masked = len(set(ends["WR_EN"])) > 1
            unit = re.search(r"_bank_\d+x\d+$", name) is not None
            both = two_port and unit and simple and not paged and not masked
            count = instances.get(name, 0)
            found.append(Memory(name, cell, depth, width, count, paged, masked, both))
    return found


def tile(memory: Memory, macros: Sequence[Macro], most: float) -> Tiling | None:
    """The macros that take the least area, if they take less than ``most`` um2 a bit."""
    if memory.two_port:
        fitting = (m for m in macros if m.two_port)
        size = memory.depth, memory.width
        return next((Tiling(memory, m, 1, 1) for m in fitting if (m.depth, m.width) == size), None)
    if not memory.paged:
        return None
    words = -(-memory.depth // PAGES)
    tilings = [
        Tiling(memory, macro, -(-words // macro.depth), -(-memory.width // macro.width))
        for macro in macros
        if not macro.two_port
    ]
    best = min(tilings, key=lambda tiling: tiling.area, default=None)
    return best if best and best.area < most * memory.depth * memory.width else None


def stub(macro: Macro) -> str:
    """The ports of a macro as a black box."""
    wide = {"A_ADDR": macro.address_bits, "A_DIN": macro.width, "A_BM": macro.width}
    inputs = ["A_CLK", "A_MEN", "A_WEN", "A_REN", *wide]
    if macro.two_port:
        inputs.append("B_ADDR")
        wide["B_ADDR"] = macro.address_bits
    if macro.bist:
        inputs += ["A_DLY", *_BIST]
        wide |= {"A_BIST_ADDR": macro.address_bits, "A_BIST_DIN": macro.width}
        wide["A_BIST_BM"] = macro.width
    ports = [f"input [{wide.get(pin, 1) - 1}:0] {pin}" for pin in inputs]
    ports.append(f"output [{macro.width - 1}:0] A_DOUT")
    return f"(* blackbox *) module {macro.cell}({', '.join(ports)});\nendmodule\n"


_BIST = ("A_BIST_EN", "A_BIST_CLK", "A_BIST_MEN", "A_BIST_WEN", "A_BIST_REN", "A_BIST_ADDR",
         "A_BIST_DIN", "A_BIST_BM")  # fmt: skip


def techmap(tilings: Sequence[Tiling]) -> str:
    """Verilog by which Yosys' ``techmap`` replaces the memories of ``tilings``, one per size."""
    sizes = {(t.memory.depth, t.memory.width): t for t in tilings}
    conditions = " || ".join(f"(SIZE == {d} && WIDTH == {w})" for d, w in sizes) or "0"
    bodies = "".join(
        f"if (SIZE == {d} && WIDTH == {w}) begin\n{_body(t)}end\n" for (d, w), t in sizes.items()
    )
    return f"""\
(* techmap_celltype = "$mem_v2" *)
module accelgen_sram_map(RD_CLK, RD_EN, RD_ARST, RD_SRST, RD_ADDR, RD_DATA,
                         WR_CLK, WR_EN, WR_ADDR, WR_DATA);
parameter MEMID = ""; parameter signed SIZE = 4; parameter signed OFFSET = 0;
parameter signed ABITS = 2; parameter signed WIDTH = 8; parameter INIT = 1'bx;
parameter signed RD_PORTS = 1; parameter RD_CLK_ENABLE = 1'b1; parameter RD_CLK_POLARITY = 1'b1;
parameter RD_TRANSPARENCY_MASK = 1'b0; parameter RD_COLLISION_X_MASK = 1'b0;
parameter RD_WIDE_CONTINUATION = 1'b0; parameter RD_CE_OVER_SRST = 1'b0;
parameter RD_ARST_VALUE = 1'b0; parameter RD_SRST_VALUE = 1'b0; parameter RD_INIT_VALUE = 1'b0;
parameter signed WR_PORTS = 1; parameter WR_CLK_ENABLE = 1'b1; parameter WR_CLK_POLARITY = 1'b1;
parameter WR_PRIORITY_MASK = 1'b0; parameter WR_WIDE_CONTINUATION = 1'b0;
input RD_CLK, RD_EN, RD_ARST, RD_SRST, WR_CLK;
input [ABITS-1:0] RD_ADDR, WR_ADDR;
input [WIDTH-1:0] WR_EN, WR_DATA;
output [WIDTH-1:0] RD_DATA;
wire _TECHMAP_FAIL_ = !((RD_PORTS == 1) && (WR_PORTS == 1) && ({conditions}));
generate
{bodies}endgenerate
endmodule
"""


def _body(tiling: Tiling) -> str:
    """Two pages of macros, and the choice of what the one that was read last says."""
    macro, memory = tiling.macro, tiling.memory
    if macro.two_port:
        return f"  {_two_port(macro)}\n"
    inner = macro.address_bits
    wide = macro.width * tiling.columns
    ones = f"{{{wide}{{1'b1}}}}"
    lines = [
        f"wire [{wide - 1}:0] data = WR_DATA;",
        # A mask that all bits share is the write enable, and need not reach every bit.
        f"wire [{wide - 1}:0] mask = {'WR_EN' if memory.masked else ones};",
        "wire write = |WR_EN;",
    ]
    above = memory.depth > PAGES
    for port in ("WR", "RD"):
        high = f"{port}_ADDR[ABITS-1:1]" if above else "1'b0"
        lines.append(f"wire [{inner + 7}:0] {port.lower()}_word = {high};")
    tops = (tiling.rows - 1).bit_length()
    for page in range(PAGES):
        wen, ren = f"write{page}", f"read{page}"
        lines += [
            f"wire {wen} = write && WR_ADDR[0] == 1'b{page};",
            f"wire {ren} = RD_EN && RD_ADDR[0] == 1'b{page} && !{wen};",
            f"wire [{inner + 7}:0] word{page} = {wen} ? wr_word : rd_word;",
            f"wire [{wide - 1}:0] out{page};",
        ]
        for row in range(tiling.rows):
            mine = f"word{page}[{inner + 7}:{inner}] == 8'd{row}" if tops else "1'b1"
            lines.append(f"wire sel{page}_{row} = {mine};")
            lines.append(f"wire [{wide - 1}:0] q{page}_{row};")
            lines += [_instance(tiling, page, row, column) for column in range(tiling.columns)]
        if tops:
            lines += [
                f"reg [7:0] row{page};",
                f"wire [7:0] next{page} = word{page}[{inner + 7}:{inner}];",
                f"always @(posedge RD_CLK) if ({ren}) row{page} <= next{page};",
                f"assign out{page} = {_choose(page, tiling.rows)};",
            ]
        else:
            lines.append(f"assign out{page} = q{page}_0;")
    lines += [
        "reg page_read;",
        "always @(posedge RD_CLK) if (RD_EN) page_read <= RD_ADDR[0];",
        "assign RD_DATA = page_read ? out1 : out0;",
    ]
    return "".join(f"  {line}\n" for line in lines)


def _two_port(macro: Macro) -> str:
    """All of the memory as one macro."""
    ones = f"{{{macro.width}{{1'b1}}}}"
    pins = {
        "A_CLK": "RD_CLK",
        "A_MEN": "RD_EN || WR_EN[0]",
        "A_WEN": "WR_EN[0]",
        "A_REN": "RD_EN",
        "A_ADDR": "RD_ADDR",
        "B_ADDR": "WR_ADDR",
        "A_DIN": "WR_DATA",
        "A_BM": ones,
        "A_DOUT": "RD_DATA",
    }
    joined = ", ".join(f".{pin}({net})" for pin, net in pins.items())
    return f"{macro.cell} macro ({joined});"


def _choose(page: int, rows: int) -> str:
    return " : ".join([f"row{page} == 8'd{r} ? q{page}_{r}" for r in range(1, rows)] +
                      [f"q{page}_0"])  # fmt: skip


def _instance(tiling: Tiling, page: int, row: int, column: int) -> str:
    macro = tiling.macro
    low, high = column * macro.width, (column + 1) * macro.width - 1
    pins = {
        "A_CLK": "RD_CLK",
        "A_MEN": f"sel{page}_{row} && (write{page} || read{page})",
        "A_WEN": f"write{page}",
        "A_REN": f"read{page}",
        "A_ADDR": f"word{page}[{macro.address_bits - 1}:0]",
        "A_DIN": f"data[{high}:{low}]",
        "A_BM": f"mask[{high}:{low}]",
        "A_DOUT": f"q{page}_{row}[{high}:{low}]",
    }
    if macro.bist:
        pins |= {"A_DLY": "1'b1"}
        for pin in _BIST:
            size = {"A_BIST_ADDR": macro.address_bits, "A_BIST_DIN": macro.width,
                    "A_BIST_BM": macro.width}.get(pin, 1)  # fmt: skip
            pins[pin] = f"{size}'d0"
    joined = ", ".join(f".{pin}({net})" for pin, net in pins.items())
    return f"{macro.cell} macro_{page}_{row}_{column} ({joined});"
