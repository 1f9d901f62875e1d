# Sourced by the other scripts: makes .venv with what "$1" (an extra of pyproject.toml) asks for. Needs Python 3.11+ and
# pip, nothing else. PYTHON chooses the interpreter; TORCH_INDEX_URL, if set, is where pip looks for torch.

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
cd -- "$root"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
# Tests and searches use processes; threads inside each would only fight over the cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  echo "Python 3.11 or newer is needed; set PYTHON to its path." >&2
  return 1
}

make_environment() {
  local extra="$1" python stamp wanted
  if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    python="$(find_python)"
    echo "Making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
  fi
  stamp=".venv/.installed-$extra"
  wanted="$(cksum <pyproject.toml) $root"
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && .venv/bin/python -c 'import harness, torch' 2>/dev/null; then
    return
  fi
  install_torch
  echo "Installing clipbounds with [$extra]"
  .venv/bin/python -m pip install --quiet --editable ".[$extra]"
  echo "Compiling the engine's kernels, once for this machine"
  .venv/bin/python - <<'PYTHON'
from fuzz.engine import Batch, Instance, run

# A module of few families, and one of all.
few = Instance("quadratic", {"curvature": 1.0}, [1.0], 0.1, 1.0, 1)
all_ = Instance("log_cosh", {"curvature": 1.0, "slope": 1.0}, [1.0], 0.1, 1.0, 1)
for instance in (few, all_):
    for dtype in ("float64", "float32"):
        run(Batch.of([instance]), 1, dtype=dtype)
PYTHON
  echo "$wanted" >"$stamp"
}

install_torch() {
  # First and alone, so that pip takes a CPU build where the index offers one, before anything else asks for torch.
  .venv/bin/python -m pip install --quiet ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} 'torch>=2.11,<2.14' numpy
  .venv/bin/python - <<'PYTHON'
from importlib.metadata import distributions, version

print("torch resolved to", version("torch"))
cuda = sorted({d.name for d in distributions() if d.name and d.name.startswith("nvidia-")})
if cuda:
    print(f"This build brought {len(cuda)} CUDA packages; set TORCH_INDEX_URL to an index of CPU builds to avoid them.")
PYTHON
}
