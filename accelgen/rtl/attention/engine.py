"""One array with its buffers, softmax and scheduler: what several of make an accelerator."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import LIST_BITS, SCALE_BUS, TENSORS, Core
from accelgen.attention.accelerator.registers import registers
from accelgen.rtl.attention.array import Array
from accelgen.rtl.attention.decoder import Decoder
from accelgen.rtl.attention.fold import Fold
from accelgen.rtl.attention.lists import FAULTS, Scheduler
from accelgen.rtl.attention.masks import Masks
from accelgen.rtl.attention.normaliser import Normaliser
from accelgen.rtl.attention.scale_buffer import ScaleBuffer
from accelgen.rtl.attention.selection import Selection
from accelgen.rtl.attention.sequencer import Phase, Sequencer
from accelgen.rtl.attention.softmax import Softmax
from accelgen.rtl.attention.tile_buffer import TileBuffer
from accelgen.rtl.attention.tile_info import LOWER, UPPER, tile_info
from accelgen.rtl.attention.totals import Totals
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.ports import stream_ports
from accelgen.rtl.top import connect_input, connect_output

__all__ = ["Engine", "streams_in"]


def streams_in(core: Core) -> dict[str, int]:
    """The streams that come in, by name, with the widths of their buses."""
    buses = {"q": core.query_bits, "k": core.key_bits, "v": core.key_bits, "list": LIST_BITS}
    return buses | {f"{t}_scale": SCALE_BUS for t in TENSORS if core.decoding(t).block}


class Engine(wiring.Component):
    """Takes row groups one after the other while ``enable`` is high.

    Ports: AXI4-Streams (tdata, tvalid, tready, tlast of each): slaves ``s_axis_<name>`` of
    :func:`streams_in`, masters ``m_axis_o`` and ``m_axis_request`` (see AttentionKernel); an input
    per register of the problem, which may only change while ``idle``; ``configured`` (in: they
    hold something; no tile is taken before), ``enable`` (in), ``idle``
    (out: nothing is being computed, and no list waits), ``finished`` (out, pulse per row group),
    ``busy``, ``error``, ``malformed`` (out; see AttentionKernel).
    """

    def __init__(self, core: Core, library: UnitLibrary) -> None:
        self.core = core
        self.library = library
        ports: dict[str, In | Out] = {}
        for name, bits in streams_in(core).items():
            ports |= stream_ports(f"s_axis_{name}", bits, In, Out)
        ports |= stream_ports("m_axis_o", core.output_bits, Out, In)
        ports |= stream_ports("m_axis_request", LIST_BITS, Out, In)
        ports |= {register.name: In(register.bits) for register in registers(core)}
        ports |= {"configured": In(1), "enable": In(1), "idle": Out(1), "finished": Out(1)}
        ports |= {"busy": Out(1), "error": Out(1), "malformed": Out(len(FAULTS))}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        core, n, library = self.core, self.core.numerics, self.library
        m.submodules.scheduler = scheduler = library.instance(Scheduler(core, library), "scheduler")
        m.submodules.sequencer = sequencer = library.instance(Sequencer(core), "sequencer")
        m.submodules.array = array = library.instance(Array(n, library), "array")
        m.submodules.softmax = softmax = library.instance(Softmax(core, library), "softmax")
        m.submodules.masks = masks = library.instance(Masks(core, library), "masks")
        m.submodules.totals = totals = library.instance(Totals(core, library), "totals")
        m.submodules.normaliser = normaliser = library.instance(Normaliser(core), "normaliser")
        self._select(m, scheduler, sequencer, softmax)
        self._errors: list[Value] = []
        self._buffers(m, sequencer, array)
        for name in ("keys", "offset", "sink", "window", "local", "stride", "block_shift"):
            m.d.comb += getattr(scheduler, name).eq(getattr(self, name))
        for name in ("keys", "sink", "window"):
            m.d.comb += getattr(masks, name).eq(getattr(self, name))
        connect_input(m, self, scheduler.lists, "list")
        connect_output(m, self, scheduler.requests, "request")
        connect_output(m, self, normaliser.stream, "o")
        beginning = data.View(tile_info(core), sequencer.beginning)
        m.d.comb += [
            sequencer.item.eq(scheduler.item),
            sequencer.item_valid.eq(scheduler.item_valid),
            scheduler.item_ready.eq(sequencer.item_ready),
            masks.write_enable.eq(scheduler.mask_enable),
            masks.write_address.eq(scheduler.mask_address),
            masks.write_data.eq(scheduler.mask_data),
            scheduler.mask_free.eq(
                sequencer.begin & beginning.item.flags[2] & (beginning.tile == core.query_tiles - 1)
            ),
            masks.info.eq(sequencer.captured),
            masks.capture.eq(sequencer.capture),
            masks.key.eq(softmax.key),
            softmax.info.eq(sequencer.captured),
            softmax.capture.eq(sequencer.capture),
            softmax.allowed.eq(masks.allowed),
            softmax.begin.eq(sequencer.begin),
            sequencer.ready.eq(softmax.ready),
            array.capture.eq(sequencer.capture),
            array.select.eq(softmax.select),
            array.keep.eq(softmax.keep),
            *(softmax.kept[i].eq(array.kept[i]) for i in range(n.rows)),
            *(array.probabilities[i].eq(softmax.probabilities[i]) for i in range(n.rows)),
            totals.begin.eq(sequencer.begin),
            totals.info.eq(sequencer.beginning),
            totals.leaving.eq(array.leaving),
            totals.leaving_first.eq(array.leaving_first),
            totals.fresh.eq(softmax.fresh),
            *(totals.sums[i].eq(array.sums[i]) for i in range(n.rows)),
            *(totals.shift[i].eq(softmax.shift[i]) for i in range(n.rows)),
            sequencer.done.eq(totals.done),
            sequencer.free.eq(normaliser.free),
            normaliser.complete.eq(totals.complete),
            totals.read_enable.eq(normaliser.read_enable),
            totals.read_half.eq(normaliser.read_half),
            totals.read_tile.eq(normaliser.read_tile),
            totals.read_row.eq(normaliser.read_row),
            totals.read_chunk.eq(normaliser.read_chunk),
            *(normaliser.read[b].eq(totals.read[b]) for b in range(core.outputs_per_beat)),
            self.busy.eq(sequencer.busy),
            self.idle.eq(scheduler.idle & ~sequencer.busy),
            self.finished.eq(normaliser.free),
            scheduler.enable.eq(self.enable),
        ]
        with m.If(scheduler.faults != 0):
            m.d.sync += self.malformed.eq(self.malformed | scheduler.faults)
        return m

    def _buffers(self, m: Module, sequencer: Sequencer, array: Array) -> None:
        """Queries, keys and values: from their streams to the edges of the array."""
        core, n = self.core, self.core.numerics
        scores, outputs = Signal(), Signal()
        m.d.comb += [
            scores.eq(sequencer.phase == Phase.SCORES),
            outputs.eq(sequencer.phase == Phase.OUTPUTS),
        ]
        # A step of the array is a cycle after that of the sequencer.
        m.d.sync += [
            array.step.eq(scores | outputs),
            array.output.eq(outputs),
            array.first.eq((sequencer.index == 0) & ~(scores & sequencer.accumulate)),
        ]
        width = n.element_bits
        keys = self._buffer(m, "k", 1, n.head_dim, core.keys_per_beat, width)
        values = self._buffer(m, "v", 1, n.value_dim, core.values_per_beat, width)
        queries = self._buffer(
            m, "q", core.query_tiles, n.head_dim, core.queries_per_beat, n.operand_bits
        )
        for buffer in (keys, values):
            m.d.comb += buffer.read_index.eq(sequencer.index)
        ones = Signal(2)
        of_values = Signal(2)
        m.d.comb += [
            keys.read_enable.eq(scores),
            values.read_enable.eq(outputs & (sequencer.index != n.value_dim)),
            queries.read_enable.eq(scores),
            queries.read_tile.eq(sequencer.tile),
            queries.read_index.eq(sequencer.index),
            sequencer.queries.eq(queries.count),
            sequencer.keys.eq(keys.count),
            sequencer.values.eq(values.count),
            queries.release.eq(sequencer.release_queries),
            keys.release.eq(sequencer.release_keys),
            values.release.eq(sequencer.release_values),
            self.error.eq(reduce(or_, self._errors)),
        ]
        m.d.sync += [
            of_values.eq(Cat(outputs, of_values[0])),
            ones.eq(Cat(outputs & (sequencer.index == n.value_dim), ones[0])),
        ]
        left_out = self._left_out(m, sequencer, queries)
        for i in range(n.rows):
            operand = Signal(signed(n.operand_bits), name=f"query_{i}", reset_less=True)
            element = Signal(signed(width), name=f"element_{i}", reset_less=True)
            m.d.sync += [
                operand.eq(Mux(left_out[i], 0, queries.data[i])),
                element.eq(Mux(ones[1], 1, Mux(of_values[1], values.data[i], keys.data[i]))),
            ]
            m.d.comb += [array.queries[i].eq(operand), array.elements[i].eq(element)]

    def _left_out(self, m: Module, sequencer: Sequencer, queries: TileBuffer) -> list[Value]:
        """Which elements of queries are not multiplied: those of the other sign than the bound."""
        if self.core.selector is None:
            return [C(0) for _ in queries.data]
        part = Signal(2)
        m.d.sync += part.eq(sequencer.scored_part)
        return [Mux(data[-1], part == UPPER, part == LOWER) for data in queries.data]

    def _select(
        self, m: Module, scheduler: Scheduler, sequencer: Sequencer, softmax: Softmax
    ) -> None:
        """What selects blocks by the scores of their summaries."""
        m.d.comb += sequencer.read.eq(softmax.read)
        if self.core.selector is None:
            return
        selection = self.library.instance(Selection(self.core, self.library), "selection")
        m.submodules.selection = selection
        m.d.comb += [
            selection.start.eq(scheduler.select),
            selection.blocks.eq(scheduler.select_blocks),
            selection.rows.eq(scheduler.select_rows),
            selection.position.eq(scheduler.position),
            selection.top.eq(self.top),
            selection.local.eq(self.local),
            selection.sink.eq(self.sink),
            selection.block_shift.eq(self.block_shift),
            selection.valid.eq(softmax.summing),
            *(
                score.eq(kept.as_signed())
                for score, kept in zip(selection.scores, softmax.kept, strict=True)
            ),
            scheduler.selected.eq(selection.done),
            selection.read_enable.eq(scheduler.read_enable),
            selection.read_block.eq(scheduler.read_block),
            scheduler.read_mask.eq(selection.mask),
        ]

    def _buffer(
        self, m: Module, tensor: str, tiles: int, dim: int, per_beat: int, stored: int
    ) -> TileBuffer:
        """The buffer of a tensor behind its decoders, and of queries what folds the scale in."""
        core, n, library = self.core, self.core.numerics, self.library
        decoding = core.decoding(tensor)
        bus = core.query_bits if tensor == "q" else core.key_bits
        folded = tensor == "q"
        latency = Decoder.latency(decoding) + (Fold.LATENCY if folded else 0)
        buffer = TileBuffer(
            n.rows,
            tiles,
            dim,
            per_beat,
            bus,
            decoding.code_bits,
            stored,
            library,
            convert_latency=latency,
            read_latency=1 if folded else 2,
        )
        alike = tensor == "v" and n.head_dim == dim and core.formats[1] == core.formats[2]
        buffer = library.instance(buffer, f"tiles_{'k' if alike else tensor}")
        m.submodules[f"tiles_{tensor}"] = buffer
        connect_input(m, self, buffer.stream, tensor)
        self._errors.append(buffer.error)
        scales = self._scales(m, tensor, buffer, tiles * n.rows * dim, dim // per_beat)
        for k in range(per_beat):
            decoder = library.instance(
                Decoder(decoding, n.element_bits), f"decoder_{decoding.name}"
            )
            m.submodules[f"decoder_{tensor}_{k}"] = decoder
            m.d.comb += decoder.code.eq(buffer.elements[k])
            if not decoding.whole:
                m.d.comb += decoder.grid.eq(getattr(self, f"{tensor}_grid").as_signed())
            if scales is not None:
                m.d.comb += decoder.scale.eq(scales.data[k * len(scales.data) // per_beat])
            element = decoder.element
            if folded:
                fold = library.instance(Fold(n), "fold")
                m.submodules[f"fold_{k}"] = fold
                m.d.comb += [
                    fold.element.eq(element),
                    fold.scale.eq(self.scale),
                    fold.shift.eq(self.shift),
                ]
                element = fold.operand
            m.d.comb += buffer.converted[k].eq(element)
        return buffer

    def _scales(
        self, m: Module, tensor: str, buffer: TileBuffer, elements: int, chunks: int
    ) -> ScaleBuffer | None:
        """The scales of a block format; a tile is taken when they are there."""
        decoding = self.core.decoding(tensor)
        if not decoding.block:
            m.d.comb += buffer.enable.eq(self.configured)
            return None
        size = len(buffer.elements)
        width = max(1, size // decoding.block)
        count = elements // decoding.block
        scales = ScaleBuffer(count, width, decoding.scale_bits, SCALE_BUS, self.library)
        scales = self.library.instance(scales, f"scales_{count}x{width}")
        m.submodules[f"scales_{tensor}"] = scales
        connect_input(m, self, scales.stream, f"{tensor}_scale")
        self._errors.append(scales.error)
        per_read = max(size, decoding.block) // size  # beats that share what is read
        m.d.comb += [
            buffer.enable.eq(self.configured & (scales.count != 0)),
            scales.release.eq(buffer.filled),
            scales.index.eq((buffer.vector * chunks + buffer.chunk) >> (per_read - 1).bit_length()),
        ]
        return scales
