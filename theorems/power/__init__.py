"""False statements of graded difficulty, on which the power of a search is measured (``clipbounds bench search``).

True theorems of the catalogue with bounds tightened by 50 % down to 1 %, and with conditions or bands that leave few
violating instances; the last nine are the hard tier. They are no part of the catalogue: there is no proof to check, and
a run should not spend its time on them. Any of these files can be named on the command line all the same.

The order of :data:`STATEMENTS` is fixed: every third statement, from the first on, may be looked at while a search is
tuned; the others are held out.
"""

from theorems.language import Theorem
from theorems.power import bias, descent, drift, hard, noisy, rates

STATEMENTS: tuple[Theorem, ...] = (
    *bias.STATEMENTS,
    *drift.STATEMENTS,
    *descent.STATEMENTS,
    *rates.STATEMENTS,
    *noisy.STATEMENTS,
    *hard.STATEMENTS,
)


def is_tuning(number: int) -> bool:
    """Whether the statement of this index is in the tuning set; two thirds are held out."""
    return number % 3 == 0
