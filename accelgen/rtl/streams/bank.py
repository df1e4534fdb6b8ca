"""The memories: one distinct unit for every width and depth."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.library import UnitLibrary

__all__ = ["AccumulatorBank", "Bank"]


class Bank(wiring.Component):
    """A memory of ``words`` words of ``width`` bits with a read and a write port.

    ``read_data`` is the word at ``read_address`` one cycle after ``read_enable`` and keeps its
    value otherwise; a word written in the same cycle is read as it was before.
    """

    def __init__(self, width: int, words: int) -> None:
        assert width >= 1
        assert words >= 2
        self.width = width
        self.words = words
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(range(words)),
                "write_data": In(width),
                "read_enable": In(1),
                "read_address": In(range(words)),
                "read_data": Out(width),
            }
        )

    @classmethod
    def instance(cls, library: UnitLibrary, width: int, words: int) -> Bank:
        """One more memory of that size."""
        return library.instance(cls(width, words), f"bank_{words}x{width}")

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        m.submodules.cells = cells = memory.Memory(shape=self.width, depth=self.words, init=[])
        write, read = cells.write_port(), cells.read_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.en.eq(self.read_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]
        return m


class AccumulatorBank(wiring.Component):
    """Two pages of ``words`` words to which values are added, and from which they are taken.

    Compute side: in every cycle with ``enable`` the word at ``address`` of ``page`` grows by
    ``data`` (modulo two to the ``width``); the same address may come in any cycles.  The sum is
    written in the second cycle after (latency 3: read, add, write).
    Stream side: has the pages whose bit in ``owned`` is set.  With ``stream_enable`` the word at
    ``stream_address`` of ``stream_page`` follows on ``stream_data`` in the next cycle and stays;
    ``clear`` has a bit per page whose word there becomes zero.
    """

    LATENCY = 3

    def __init__(self, width: int, words: int, library: UnitLibrary) -> None:
        self.width = width
        self.words = words
        self.library = library
        super().__init__(
            {
                "page": In(1),
                "address": In(range(words)),
                "enable": In(1),
                "data": In(width),
                "owned": In(2),
                "stream_page": In(1),
                "stream_enable": In(1),
                "stream_address": In(range(words)),
                "clear": In(2),
                "stream_data": Out(width),
            }
        )

    @classmethod
    def instance(cls, library: UnitLibrary, width: int, words: int) -> AccumulatorBank:
        """One more accumulating memory of that size."""
        return library.instance(cls(width, words, library), f"accumulator_{words}x{width}")

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        addend = Signal(self.width, reset_less=True)
        total = Signal(self.width, reset_less=True)
        written = Signal(self.width, reset_less=True)
        adding = Signal()
        summed = Signal()
        adding_at = Signal(range(self.words), reset_less=True)
        summed_at = Signal(range(self.words), reset_less=True)
        # The word is still on its way to the memory when the read comes one or two cycles later.
        in_total = Signal(reset_less=True)
        in_written = Signal(reset_less=True)
        old = Signal(self.width)
        stream_page = Signal(reset_less=True)
        pages = [Bank.instance(self.library, self.width, self.words) for _ in range(2)]
        m.d.comb += [
            old.eq(
                Mux(
                    in_total,
                    total,
                    Mux(
                        in_written, written, Mux(self.page, pages[1].read_data, pages[0].read_data)
                    ),
                )
            ),
            self.stream_data.eq(Mux(stream_page, pages[1].read_data, pages[0].read_data)),
        ]
        m.d.sync += [
            addend.eq(self.data),
            adding.eq(self.enable),
            adding_at.eq(self.address),
            in_total.eq(adding & (adding_at == self.address)),
            in_written.eq(summed & (summed_at == self.address)),
            total.eq(old + addend),
            summed.eq(adding),
            summed_at.eq(adding_at),
            written.eq(total),
        ]
        with m.If(self.stream_enable):
            m.d.sync += stream_page.eq(self.stream_page)
        for number, bank in enumerate(pages):
            m.submodules[f"page_{number}"] = bank
            mine = self.owned[number]
            # A page that nothing is added to keeps still.
            adds = Signal(name=f"adds_{number}")
            m.d.comb += [
                adds.eq((self.page == number) & ~mine),
                bank.read_enable.eq(Mux(adds, self.enable, self.stream_enable)),
                bank.read_address.eq(Mux(adds, self.address, self.stream_address)),
                bank.write_enable.eq(Mux(mine, self.clear[number], summed & (self.page == number))),
                bank.write_address.eq(Mux(mine, self.stream_address, summed_at)),
                bank.write_data.eq(Mux(mine, 0, total)),
            ]
        return m
