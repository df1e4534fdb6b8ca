"""HAQ's decrement and uniform bits, tables and their refusals."""

from __future__ import annotations

import pytest

from accelgen.bits import (
    BitTable,
    LayerBits,
    LayerOptions,
    Option,
    decrement,
    least_sensitive,
    uniform,
    uniform_within,
)
from accelgen.bits.table import element_bits
from accelgen.errors import InfeasibleError, InputError

W8A8, W8A4, W4A8, W4A4 = (LayerBits(f"int{w}", f"int{a}") for w in (8, 4) for a in (8, 4))


def table(count: int = 3) -> BitTable:
    """Layers of which a product of w x a bits costs w * a."""
    return BitTable(
        tuple(
            LayerOptions(
                f"layer{i}",
                tuple(
                    Option(bits, element_bits(bits.weights) * element_bits(bits.activations), i + 1)
                    for bits in (W8A8, W8A4, W4A8, W4A4)
                ),
            )
            for i in range(count)
        ),
        "energy in pJ",
    )


def all_wide(count: int = 3) -> dict[str, LayerBits]:
    return {f"layer{i}": W8A8 for i in range(count)}


@pytest.mark.parametrize(
    ("budget", "bits"),
    [
        (192, (W8A8, W8A8, W8A8)),
        (191, (W8A8, W8A8, W8A4)),
        (160, (W8A8, W8A8, W8A4)),
        (159, (W8A8, W8A8, W4A4)),
        (143, (W8A8, W8A4, W4A4)),
        (80, (W8A4, W4A4, W4A4)),
        (48, (W4A4, W4A4, W4A4)),
    ],
)
def test_haq_goes_backwards_activations_first(budget: float, bits: tuple[LayerBits, ...]) -> None:
    found = decrement(table(), all_wide(), budget)
    assert tuple(found.bits.values()) == bits
    assert found.cost <= budget


def test_haq_takes_one_step_a_pass() -> None:
    steps = tuple(Option(LayerBits(f"int{w}", "int8"), w) for w in (8, 6, 4, 2))
    two = BitTable((LayerOptions("a", steps), LayerOptions("b", steps)))
    wide = {"a": steps[0].bits, "b": steps[0].bits}
    found = decrement(two, wide, 11)
    # b to 6, a to 6; b to 4: not a layer to the end before the next.
    assert [one.weights for one in found.bits.values()] == ["int6", "int4"]


def test_haq_keeps_wide_ends() -> None:
    ends = table().with_wide_ends()
    found = decrement(ends, all_wide(), 112)
    assert tuple(found.bits.values()) == (W8A4, W4A4, W8A8)
    with pytest.raises(InfeasibleError, match="112 with nothing left to lower"):
        decrement(ends, all_wide(), 111)


def test_exact_allocation_is_never_worse_than_the_baselines() -> None:
    for budget in range(48, 193, 8):
        exact = least_sensitive(table(), budget)
        assert exact.sensitivity <= decrement(table(), all_wide(), budget).sensitivity
        assert exact.sensitivity <= uniform_within(table(), budget).sensitivity


def test_uniform() -> None:
    assert set(uniform(table(), W4A8).bits.values()) == {W4A8}
    ends = table().with_wide_ends()
    assert tuple(uniform(ends, W4A4).bits.values()) == (W8A4, W4A4, W8A8)
    assert set(uniform_within(table(), 96).bits.values()) in ({W8A4}, {W4A8})
    assert set(uniform_within(table(), 95).bits.values()) == {W4A4}
    with pytest.raises(InfeasibleError, match="uniform formats take 48 at least"):
        uniform_within(table(), 47)


def test_wide_ends() -> None:
    ends = table().with_wide_ends()
    assert [option.bits for option in ends.layers[0].options] == [W8A8, W8A4]
    assert [option.bits for option in ends.layers[-1].options] == [W8A8]
    assert ends.layers[1] == table().layers[1]
    assert [option.bits for option in table(1).with_wide_ends().layers[0].options] == [W8A8]
    with pytest.raises(InputError, match="layer0: no formats are left"):
        table().with_wide_ends(16)


def test_widths_of_formats() -> None:
    assert [element_bits(n) for n in ("int4", "uint8", "nvfp4", "mxfp6_e2m3", "bf16")] == [
        4, 8, 4, 6, 16,
    ]  # fmt: skip


def test_refusals() -> None:
    with pytest.raises(InputError, match="two layers are named 'a'"):
        BitTable((LayerOptions("a", (Option(W8A8, 1),)),) * 2)
    with pytest.raises(InputError, match="a: formats are there twice"):
        LayerOptions("a", (Option(W8A8, 1), Option(W8A8, 2)))
    with pytest.raises(InputError, match="cost -1"):
        Option(W8A8, -1)
    with pytest.raises(InputError, match="unknown layer 'layer9'"):
        table().allocation({**all_wide(), "layer9": W8A8})
    with pytest.raises(InputError, match="layer2: no bits"):
        table().allocation(all_wide(2))
    with pytest.raises(InputError, match="a table without layers"):
        BitTable(())
