"""SymPy formulas as source code: NumPy, torch and Numba read the same expression.

Operations are printed in one fixed order on every target, so that engines differ by library functions only. Each
target is a module of its own, since importing one must not import another's library.
"""
