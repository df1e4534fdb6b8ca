"""Dot products in one of several four-bit formats, chosen for every sum, on shared multipliers."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.formats.floating import FP32
from accelgen.rtl.arithmetic.fixed_to_float import FixedToFloat
from accelgen.rtl.arithmetic.multiply_accumulate import accumulate
from accelgen.rtl.arithmetic.stages import Stages, choose_cuts
from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.primitives.rounding import shift_left

__all__ = ["MultiFormatDot", "MultiFormatProducts", "MultiFormatScale"]

NVFP4, IF4, MXFP4, INT4 = range(4)
"""What the input ``format`` says."""

_LANES = (1, 2, 4, 8, 16)
_LONGEST = 1 << 20
_MOST_BITS = 128
_BIAS = 127
_E4M3_EXPONENT = 14
"""Largest exponent of a scale, counted from the smallest."""
_FRACTION = 20
"""Of nvfp4 and if4: elements count halves, E4M3 scales 2**-9."""
_DELAYS = (22, 14, 6)
"""Levels of logic of the elements' dot product, the scaling by significands, and the shift."""
_LARGEST = {NVFP4: (15 * 12) ** 2, IF4: (15 * 7 * 12) ** 2, MXFP4: 12**2, INT4: 8**2}
"""Largest product of two elements times that of their scales' significands."""


def _check_range(scale_range: tuple[int, int]) -> None:
    low, high = scale_range
    # Every sum in such a range is a normal FP32 number, however long.
    if not -60 <= low <= high <= 50:
        raise InputError(
            f"scales of 2**{low} to 2**{high}", hint="use exponents within -60..50, lowest first"
        )


class MultiFormatProducts(ArithmeticUnit):
    """``sum = sum_e a[e] * b[e]`` of four-bit elements, exact.

    Ports: ``a``, ``b`` (in, ``lanes`` codes, the first lowest); ``plain`` (in): elements are
    integers from -8 to 7, and the sum counts ones; else it counts quarters, and each operand is
    E2M1 or, with ``a_integer``, ``b_integer`` (in), INT4 from -7 to 7 (code 8 counts as zero);
    ``sum`` (out, signed).  ``lanes`` is 1, 2, 4, 8 or 16.  Combinational (latency 0).

    Method: sign and magnitude; magnitudes are at most 12 (E2M1 in halves), 14 (INT4 in halves) and
    8 (in ones), so that one 4 x 4 multiplier a lane serves all.
    """

    def __init__(self, lanes: int = 16) -> None:
        if lanes not in _LANES:
            raise InputError(f"{lanes} lanes", hint="use 1, 2, 4, 8 or 16")
        self.lanes = lanes
        super().__init__(
            {
                "a": In(4 * lanes),
                "b": In(4 * lanes),
                "plain": In(1),
                "a_integer": In(1),
                "b_integer": In(1),
                "sum": Out(signed((lanes * 14 * 14).bit_length() + 1)),
            }
        )

    @property
    def latency(self) -> int:
        """None: it is combinational."""
        return 0

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        terms: list[Value] = []
        signs: list[Value] = []
        for lane in range(self.lanes):
            a, b = self.a.word_select(lane, 4), self.b.word_select(lane, 4)
            x = _magnitude(m, a, self.plain, self.a_integer, f"a{lane}")
            y = _magnitude(m, b, self.plain, self.b_integer, f"b{lane}")
            product = Signal(8, name=f"product{lane}")
            negative = Signal(name=f"negative{lane}")
            term = Signal(signed(9), name=f"term{lane}")
            m.d.comb += [
                product.eq(x * y),
                negative.eq(a[3] ^ b[3]),
                # Inverted: what is missing to the negative number is counted and added below.
                term.eq(Cat(product ^ negative.replicate(8), negative)),
            ]
            terms.append(term)
            signs.append(negative)
        inverted = Signal(len(self.sum))
        m.d.comb += [
            inverted.eq(_tree(m, terms, "sum")),
            self.sum.eq(inverted + _tree(m, signs, "negatives")),
        ]
        return m


class MultiFormatScale(ArithmeticUnit):
    """One operand's scale, in any of the formats: ``significand * 2**exponent``.

    Ports: ``format``, ``code`` (in, 2 and 8 bits); ``significand`` (out, 7 bits), ``exponent``
    (out): of nvfp4 the unsigned E4M3 number in bits 6..0 counts 2**-9; of if4, times 7, or 6
    where bit 7 says that the block holds integers; of mxfp4 the power of two counts 2**low; of
    int4 both are those of 1.  ``is_integer`` (out): elements are INT4; ``nan`` (out): the scale is
    NaN; ``outside`` (out): it is a power of two outside 2**low .. 2**high, ``scale_range``, and
    not 2**-127, the scale of blocks of zeros.  A scale that is any of these has the significand 0.
    Combinational (latency 0).
    """

    def __init__(self, scale_range: tuple[int, int] = (-18, 5)) -> None:
        _check_range(scale_range)
        self.scale_range = scale_range
        most = max(_E4M3_EXPONENT, scale_range[1] - scale_range[0])
        super().__init__(
            {
                "format": In(2),
                "code": In(8),
                "significand": Out(7),
                "exponent": Out(range(most + 1)),
                "is_integer": Out(1),
                "nan": Out(1),
                "outside": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """None: it is combinational."""
        return 0

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        code, low, high = self.code, *self.scale_range
        adaptive, power, e4m3 = Signal(), Signal(), Signal()
        normal, inside = Signal(), Signal()
        m.d.comb += [
            adaptive.eq(self.format == IF4),
            power.eq(self.format == MXFP4),
            e4m3.eq(~self.format[1]),
            normal.eq(code[3:7].any()),
            self.is_integer.eq((adaptive & code[7]) | (self.format == INT4)),
            self.nan.eq(Mux(power, code.all(), e4m3 & code[:7].all())),
            inside.eq((code >= _BIAS + low) & (code <= _BIAS + high)),
            self.outside.eq(power & ~inside & ~self.nan & code.any()),
        ]
        # s = 2 s - s, 7 s = 8 s - s, 6 s = 8 s - 2 s.
        s = Cat(code[:3], normal)
        folded = Signal(7)
        taken = Signal(5)
        m.d.comb += [
            taken.eq(Mux(adaptive & code[7], s << 1, s)),
            folded.eq(Mux(adaptive, s << 3, s << 1) - taken),
            self.significand.eq(Mux(e4m3, folded & (~self.nan).replicate(7), ~power | inside)),
        ]
        above = Signal(len(self.exponent))
        m.d.comb += [
            above.eq(code - (_BIAS + low)),
            self.exponent.eq(Mux(e4m3, code[3:7] - normal, above & power.replicate(len(above)))),
        ]
        return m


class MultiFormatDot(ArithmeticUnit):
    """The dot product of two vectors, ``lanes`` elements per cycle, in a format chosen per sum.

    Ports: ``format`` (in): 0 nvfp4, 1 if4, 2 mxfp4, 3 int4 (-8..7); ``a``, ``b`` (in, ``lanes``
    codes, the first lowest), ``a_scale``, ``b_scale`` (in, 8 bits: the scales of the blocks that
    the elements are of; a block of mxfp4 takes ``32 / lanes`` cycles; int4 has none); ``valid``,
    ``first``, ``last`` (in): the elements count, begin a sum, end it.  Within a sum ``format``
    keeps its value.

    ``sum`` (out, signed): the exact sum, when ``sum_done`` (out) is high, in units of 2**-20
    (nvfp4; if4: of 2**-20 / 49), 2**(2 low - 2) (mxfp4), or 1 (int4); ``y`` (out): that sum as
    FP32 (if4: without the 1/49), rounded once to nearest even, when ``done`` (out) is high.
    A NaN scale counts as zero in ``sum``, makes ``y`` the quiet NaN and raises ``nan_seen`` (out)
    until reset.  A scale of mxfp4 outside ``scale_range`` (exponents ``low`` and ``high``) counts
    as zero, and raises ``range_seen`` (out) until reset unless it is 2**-127, the scale of blocks
    of zeros.

    ``lanes`` is 1, 2, 4, 8 or 16.  A sum of up to ``longest`` products is exact; longer ones wrap.
    The default ``scale_range`` is that of the unit for mxfp4 alone (:class:`~accelgen.golden
    .BlockPair`), and takes 67 bits for 4096 products; with (-15, 5) the accumulator is as wide as
    if4 needs it, 62 bits.
    Latency from the last elements: ``stages + 1`` cycles to ``sum`` (``stages`` 0..3), and
    ``round_stages`` (0..4) more to ``y``; throughput: ``lanes`` products per cycle, sums of any
    formats following each other without a gap.

    Method: one 4 x 4 multiplier of magnitudes a lane, an integer sum, weighed by the product of
    the scales' significands (1 where there are none), shifted by that of their powers of two,
    in a fixed-point accumulator; its place of the binary point is applied to the rounded number.
    """

    def __init__(
        self,
        lanes: int = 16,
        longest: int = 4096,
        scale_range: tuple[int, int] = (-18, 5),
        stages: int = 2,
        round_stages: int = 2,
    ) -> None:
        self._products = MultiFormatProducts(lanes)
        self._scales = (MultiFormatScale(scale_range), MultiFormatScale(scale_range))
        if not lanes <= longest <= _LONGEST:
            raise InputError(
                f"a longest sum of {longest} products", hint=f"use {lanes}..{_LONGEST}"
            )
        choose_cuts(_DELAYS, stages)
        low, high = scale_range
        shifts = {NVFP4: 2 * _E4M3_EXPONENT, IF4: 2 * _E4M3_EXPONENT, MXFP4: 2 * (high - low)}
        most = max(value << shifts.get(form, 0) for form, value in _LARGEST.items()) * longest
        self.width = most.bit_length() + 1
        if self.width > _MOST_BITS:
            raise InputError(
                f"an accumulator of {self.width} bits",
                where=f"scales of 2**{low} to 2**{high}",
                hint=f"use a smaller range or shorter sums, for {_MOST_BITS} bits",
            )
        self.lanes, self.longest, self.scale_range, self.stages = (
            lanes,
            longest,
            scale_range,
            stages,
        )
        self._round = FixedToFloat(self.width, _FRACTION, FP32, round_stages)
        super().__init__(
            {
                "format": In(2),
                "a": In(4 * lanes),
                "b": In(4 * lanes),
                "a_scale": In(8),
                "b_scale": In(8),
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "sum": Out(signed(self.width)),
                "sum_done": Out(1),
                "y": Out(32),
                "done": Out(1),
                "nan_seen": Out(1),
                "range_seen": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last elements to ``y``."""
        return self.stages + 1 + self._round.latency

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        m.submodules.products = products = self._products
        m.submodules.a_scaling, m.submodules.b_scaling = a_scale, b_scale = self._scales
        m.submodules.round = rounding = self._round
        m.d.comb += [
            products.a.eq(self.a),
            products.b.eq(self.b),
            products.plain.eq(self.format == INT4),
            products.a_integer.eq(a_scale.is_integer),
            products.b_integer.eq(b_scale.is_integer),
        ]
        for scale, code in ((a_scale, self.a_scale), (b_scale, self.b_scale)):
            m.d.comb += [scale.format.eq(self.format), scale.code.eq(code)]
        stages = Stages(m, _DELAYS, self.stages)
        control = {
            "valid": self.valid,
            "first": self.first,
            "last": self.valid & self.last,
            "nan": self.valid & (a_scale.nan | b_scale.nan),
            "outside": self.valid & (a_scale.outside | b_scale.outside),
            "format": self.format,
        }
        dot_sum, significand, exponent, *rest = stages.after(
            0,
            dot_sum=products.sum,
            significand=a_scale.significand * b_scale.significand,
            exponent=a_scale.exponent + b_scale.exponent,
            **control,
        )
        control = dict(zip(control, rest, strict=True))
        block = Signal(signed((self.lanes * max(_LARGEST.values())).bit_length() + 1))
        m.d.comb += block.eq(dot_sum * Cat(significand, 0).as_signed())
        block, exponent, *rest = stages.after(1, block=block, exponent=exponent, **control)
        control = dict(zip(control, rest, strict=True))
        aligned = shift_left(m, block, exponent, self.width, "aligned").as_signed()
        term, *rest = stages.after(2, term=aligned, **control)
        valid, first, last, nan, outside, form = rest
        accumulate(m, self.sum, term, valid, first)
        # Of the present sum: whether it has met a NaN scale, and its format.
        sum_nan, sum_format = Signal(reset_less=True), Signal(2, reset_less=True)
        m.d.sync += self.sum_done.eq(last)
        with m.If(nan):
            m.d.sync += self.nan_seen.eq(1)
        with m.If(outside):
            m.d.sync += self.range_seen.eq(1)
        with m.If(valid):
            m.d.sync += [sum_nan.eq(nan | (sum_nan & ~first)), sum_format.eq(form)]
        m.d.comb += rounding.x.eq(self.sum)
        late = Cat(self.sum_done, sum_nan, sum_format)
        for step in range(rounding.latency):
            delayed = Signal(4, name=f"late{step}")
            m.d.sync += delayed.eq(late)
            late = delayed
        m.d.comb += [
            self.done.eq(late[0]),
            self.y.eq(Mux(late[1], FP32.nan_code, self._place(m, rounding.y, late[2:]))),
        ]
        return m

    def _place(self, m: Module, code: Value, form: Value) -> Value:
        """An FP32 number that counts 2**-20, in the units of the format: a normal one, or zero."""
        powers = {MXFP4: _FRACTION - 2 + 2 * self.scale_range[0], INT4: _FRACTION}
        power = Signal(signed(8))
        with m.Switch(form):
            for value, found in powers.items():
                with m.Case(value):
                    m.d.comb += power.eq(found)
        exponent = Signal(8)
        nonzero = code[23:31].any()
        m.d.comb += exponent.eq(Mux(nonzero, code[23:31] + power, 0))
        return Cat(code[:23], exponent, code[31])


def _magnitude(m: Module, code: Value, plain: Value, integer: Value, name: str) -> Value:
    """Halves of E2M1 (0..12) or of an integer (0..14), or ones of a plain integer (0..8)."""
    mantissa, exponent = code[0], code[1:3]
    floating = Cat(
        mantissa & ~exponent[1],
        Mux(exponent[1], mantissa & ~exponent[0], exponent[0]),
        exponent[1] & (mantissa | ~exponent[0]),
        exponent[1] & exponent[0],
    )
    size = Signal(4, name=f"{name}_size")
    found = Signal(4, name=f"{name}_magnitude")
    m.d.comb += size.eq((code ^ code[3].replicate(4)) + code[3])
    doubled = Cat(C(0, 1), size[:3])
    m.d.comb += found.eq(Mux(plain, size, Mux(integer, doubled, floating)))
    return found


def _tree(m: Module, values: list[Value], name: str) -> Value:
    """The exact sum: a balanced tree of adders."""
    level = 0
    while len(values) > 1:
        pairs = []
        for k in range(0, len(values) - 1, 2):
            both = values[k] + values[k + 1]
            signal = Signal(both.shape(), name=f"{name}_{level}_{k // 2}")
            m.d.comb += signal.eq(both)
            pairs.append(signal)
        values = pairs + values[len(values) & ~1 :]
        level += 1
    return values[0]
