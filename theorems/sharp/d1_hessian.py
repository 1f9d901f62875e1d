"""D1 under the Hessian form of smoothness: clipped gradient descent on non-convex objectives, with the same constants.

Setting: as in D0_HS. With ``Q = F0 / ((1 - theta/2) eta T)``:
``AverageGradientNorm <= sqrt(Q)`` if ``Q <= c^2/4``, else ``<= Q/c + c/4``. The proof is D1's, from the other descent
lemma.
"""

from theorems.language import HS, L0, L1, AverageGradientNorm, Cite, ExactGradients, Source, Theorem, Upper
from theorems.sharp.d0_hessian import descent_hessian
from theorems.sharp.d1_nonconvex import bound, definitions, nonconvex, theta

nonconvex_hessian = Theorem(
    name="D1_HS",
    title="Clipped gradient descent, non-convex, Hessian form",
    source=Source("clipbounds theory", "D1 under HS", status="derived"),
    given=[HS(L0, L1), ExactGradients()],
    where=definitions,
    when=[theta <= 1],
    claim=Upper(AverageGradientNorm, bound),
    proof=[
        Cite("descent", descent_hessian, from_=["theta"], says="D0_HS at every visited point."),
        *nonconvex.proof[1:],
    ],
)
