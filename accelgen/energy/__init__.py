"""Energy, leakage and area of actions in a technology: units, registers, SRAM, DRAM, links.

The tables are in ``mapping/technology/energy/<name>.yaml`` (of DRAM, which technologies share, in
``mapping/technology/energy/shared/dram.yaml``); every group of figures names its source there.
"""

from accelgen.energy.load import list_energies, load_energies, parse_energies
from accelgen.energy.model import Energies, MemoryCost, UnitCost, mac_name
from accelgen.energy.table import Row, SizeTable

__all__ = [
    "Energies",
    "MemoryCost",
    "Row",
    "SizeTable",
    "UnitCost",
    "list_energies",
    "load_energies",
    "mac_name",
    "parse_energies",
]
