# Sourced by pull-request, nightly and weekly: sets $python to an interpreter in which clipbounds is installed.
# CLIPBOUNDS_PYTHON names one that is there already, as in a repository that copied these scripts; else .venv is made.

if [ -n "${CLIPBOUNDS_PYTHON:-}" ]; then
  python="$CLIPBOUNDS_PYTHON"
  # Workers are processes; threads inside each would only fight over the cores.
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
else
  . "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"
  make_environment "${1:-test}"
  python="$root/.venv/bin/python"
fi
workers="${WORKERS:-$(getconf _NPROCESSORS_ONLN)}"

# "worse A B" is the exit code of the two that is to be told: bad input and internal errors first, then a statement that
# did not behave, then an unknown.
worse() {
  local code
  for code in 70 130 2 4 5 1 3; do
    if [ "$1" -eq "$code" ] || [ "$2" -eq "$code" ]; then
      echo "$code"
      return
    fi
  done
  echo "$(($1 > $2 ? $1 : $2))"
}
