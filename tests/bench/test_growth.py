"""Growth is a number: the exponent that fits the measured curve."""

from __future__ import annotations

import pytest

from bench.growth import curve, order


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_the_order_is_the_exponent(exponent: int) -> None:
    """Constant, linear and quadratic costs are told apart, whatever the constant."""
    taken = {size: [7.0 * size**exponent] * 3 for size in (100, 1_000, 10_000)}

    assert exponent == pytest.approx(order(taken), abs=0.01)


def test_a_curve_has_a_row_a_size() -> None:
    """The last one says how it grows."""
    rows = curve("read", {10: [1.0, 1.0], 100: [10.0, 10.0]})

    assert ["read 10", "read 100 (order 1.00)"] == [row.name for row in rows]
