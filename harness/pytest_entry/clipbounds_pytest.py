"""Where pytest enters: the hooks of ``harness/pytest_plugin.py``, under a name that nobody else has.

pytest imports this module wherever clipbounds is installed: an install copies it beside the package ``harness``, an
editable one leaves it in its folder, which it puts on the path. Importing the package ``harness`` there would hide a
package of that name in the user's own repository: so the file is loaded by its path, and the package only when theorems
are asked for.
"""

import importlib.util
import sys
from pathlib import Path

_here = Path(__file__).resolve()
_places = [_here.parent, _here.parents[2], *map(Path, sys.path)]
_file = next(p for place in _places if (p := place / "harness" / "pytest_plugin.py").is_file())
_spec = importlib.util.spec_from_file_location("_clipbounds_pytest_hooks", _file)
assert _spec is not None
assert _spec.loader is not None
_hooks = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _hooks
_spec.loader.exec_module(_hooks)
globals().update({name: value for name, value in vars(_hooks).items() if name.startswith("pytest_")})
