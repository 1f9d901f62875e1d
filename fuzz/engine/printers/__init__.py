"""SymPy formulas as source code: NumPy, torch and Numba read the same expression.

Operations are printed in one fixed order on every target, so that engines differ by library functions only.
"""

from fuzz.engine.printers.numba_source import Kernel, numba_kernel
from fuzz.engine.printers.numpy_source import numpy_function
from fuzz.engine.printers.source import SourcePrinter, Target, UnprintableError
from fuzz.engine.printers.torch_source import torch_function

__all__ = [
    "Kernel",
    "SourcePrinter",
    "Target",
    "UnprintableError",
    "numba_kernel",
    "numpy_function",
    "torch_function",
]
