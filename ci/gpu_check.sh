#!/usr/bin/env bash
# One call on a machine with a GPU: the GPU engine's tests on the device, then its benchmark against torch on the same
# GPU. Needs python3 (or $PYTHON) with torch for CUDA, triton, numpy, sympy, numba and pytest; installs nothing.
# Arguments go to the benchmark; $CLIPBOUNDS_GPU is the device, cuda:0 by default.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
export CLIPBOUNDS_GPU="${CLIPBOUNDS_GPU:-cuda:0}" PYTHONPATH="$PWD"
python="${PYTHON:-python3}"

"$python" - <<'PYTHON'
import os, sys
try:
    import torch, triton
except ImportError as error:
    sys.exit(f"gpu_check: {error} in {sys.executable}; $PYTHON names another")

if not torch.cuda.is_available():
    sys.exit(f"gpu_check: torch {torch.__version__} sees no GPU here")
device = torch.device(os.environ["CLIPBOUNDS_GPU"])
print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, triton {triton.__version__}")
PYTHON
# The package's own conftest needs the solvers, these tests do not; warnings of other people's libraries are not ours.
"$python" -m pytest -q --noconftest -p no:cacheprovider -o addopts= -o filterwarnings=default \
  tests/fuzz/test_engine_gpu.py tests/fuzz/test_philox.py
"$python" ci/bench_gpu.py --device "$CLIPBOUNDS_GPU" "$@"
