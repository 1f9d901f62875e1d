"""The pytest plugin: files that state theorems become test items, ``check::NAME`` and ``fuzz::NAME``.

It acts only where ``--theorems`` or the ini key ``clipbounds_theorems`` names files or folders. Elsewhere it adds its
options and markers, and imports nothing of weight. docs/ci.md says how to use it. This file must not import the package
that it is in before theorems are asked for; ``clipbounds_pytest.py`` says why.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.plugin.options import PluginOptions

_MARKERS = {
    "clipbounds": "an item that clipbounds collected",
    "clipbounds_check": "a theorem is put to the solvers",
    "clipbounds_fuzz": "a theorem is attacked by search",
    "clipbounds_example": "a theorem is held against a promoted finding",
}
_SEED = "clipbounds_seed"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini keys."""
    group = parser.getgroup("clipbounds", "theorems as test items (clipbounds)")
    add = group.addoption
    add("--theorems", action="append", default=[], metavar="PATH", help="file or folder with theorems; may be repeated")
    add(
        "--clipbounds-profile", default=None, metavar="ci|nightly", help="ci: fixed steps and seed; nightly: fresh ones"
    )
    add(
        "--fuzz-budget",
        default=None,
        metavar="B",
        help="of each theorem: 30s, 10m or 1e6steps (ci counts seconds in steps)",
    )
    add("--fuzz-device", default="auto", metavar="D", help="auto, cpu or cuda")
    add(
        "--fuzz-seed",
        type=int,
        default=None,
        metavar="N",
        help="of searches (default: 0; fresh in the profile nightly)",
    )
    add("--fuzz-parts", type=int, default=1, metavar="N", help="cut each theorem's search into N items, for pytest -n")
    add("--clipbounds-out", default=None, metavar="DIR", help="for findings and the corpus (default: .clipbounds)")
    add("--clipbounds-no-cache", action="store_true", help="ask the solvers anew, whatever they said earlier")
    parser.addini("clipbounds_theorems", "files and folders with theorems", type="paths", default=[])
    parser.addini("clipbounds_profile", "ci or nightly", default="ci")
    parser.addini("clipbounds_budget", "budget of each theorem's search", default="")
    parser.addini("clipbounds_regressions", "folder of promoted findings", default="tests/regressions")


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; without theorems nothing else happens.

    Raises:
        pytest.UsageError: one line, for an option with an impossible value or a path that is not there.
    """
    for name, says in _MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {says}")
    paths = _paths(config)
    if not paths:
        return
    _limit_threads()
    try:
        from harness.plugin.files import TheoremFiles
        from harness.plugin.items import STATE, State
    except ImportError as error:
        # A package of this repository that has one of our names.
        found = getattr(sys.modules.get("harness"), "__file__", None)
        raise pytest.UsageError(f"clipbounds: its package 'harness' is hidden by {found}: {error}") from None

    files = TheoremFiles(paths, config.getini("python_files"), config.getini("norecursedirs"))
    config.stash[STATE] = State(_options(config, paths), files)
    _extend_arguments(config, paths)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the solvers."""
    state = _state(config)
    if state is not None:
        state.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker the session's seed, which may be a fresh one."""
    state = _state(node.config)
    if state is not None:
        node.workerinput[_SEED] = state.options.seed


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Take up what an interrupted session left."""
    _merge(session.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Join what the searches left to later nights."""
    _merge(session.config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The options in one line, and what of the corpus could not be read."""
    state = _state(config)
    return [] if state is None else [state.options.header(), *(f"clipbounds: {line}" for line in state.told)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A theorem file."""
    state = _state(parent.config)
    if state is None or file_path not in state.files.ranks:
        return None
    from harness.plugin.items import TheoremFile

    return TheoremFile.from_parent(parent, path=file_path)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Keep pytest from importing a theorem file as a test module, which it would because the file was named."""
    state = _state(parent.config)
    if state is None or module_path not in state.files.ranks or state.files.is_test_module(module_path):
        return None
    from harness.plugin.items import NoModule

    return NoModule.from_parent(parent, path=module_path)


def _state(config: pytest.Config) -> Any:
    """The session's state, or None where no theorems were asked for."""
    module = sys.modules.get("harness.plugin.items")
    return None if module is None else config.stash.get(module.STATE, None)


def _paths(config: pytest.Config) -> list[Path]:
    given = [Path(config.invocation_params.dir, text) for text in config.getoption("theorems")]
    # Workers of xdist may stand elsewhere.
    config.option.theorems = [str(path) for path in given]
    for path in given:
        if not path.exists():
            raise pytest.UsageError(f"--theorems {path}: no such file or folder")
    listed = [Path(path) for path in config.getini("clipbounds_theorems")]
    for path in listed:
        if not path.exists():
            raise pytest.UsageError(f"clipbounds_theorems: {path}: no such file or folder")
    return list(dict.fromkeys(Path(os.path.abspath(path)) for path in [*given, *listed]))


def _options(config: pytest.Config, paths: list[Path]) -> PluginOptions:
    from harness.plugin.options import OptionError, PluginOptions

    profile = config.getoption("clipbounds_profile") or config.getini("clipbounds_profile")
    seed = config.getoption("fuzz_seed")
    told = getattr(config, "workerinput", {}).get(_SEED)
    if told is not None:
        seed = told
    elif seed is None:
        seed = int.from_bytes(os.urandom(4), "big") if profile == "nightly" else 0
    out = config.getoption("clipbounds_out")
    try:
        return PluginOptions(
            paths=tuple(paths),
            profile=profile,
            budget_text=config.getoption("fuzz_budget") or config.getini("clipbounds_budget"),
            device=config.getoption("fuzz_device"),
            seed=seed,
            parts=config.getoption("fuzz_parts"),
            out=Path(config.invocation_params.dir, out) if out else config.rootpath / ".clipbounds",
            regressions=config.rootpath / config.getini("clipbounds_regressions"),
            cache=not config.getoption("clipbounds_no_cache"),
        )
    except OptionError as error:
        raise pytest.UsageError(f"clipbounds: {error}") from None


def _extend_arguments(config: pytest.Config, paths: list[Path]) -> None:
    """Have pytest look into the theorem paths too. Those of the ini key are looked into by a plain ``pytest`` only: who
    names other tests does not mean them. A path is passed over if something inside it was named."""
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS
    listed = {Path(os.path.abspath(path)) for path in config.getini("clipbounds_theorems")}
    given = {Path(os.path.abspath(path)) for path in config.option.theorems}
    here = [Path(os.path.abspath(Path(config.invocation_params.dir, text.split("::")[0]))) for text in config.args]
    for path in paths:
        if chosen and path in listed - given:
            continue
        inside = any(place == path or path in place.parents for place in here) if chosen else path in here
        if not inside:
            config.args.append(str(path))


def _limit_threads() -> None:
    """In a worker of xdist: as many threads as it has cores for itself. Nothing that a search finds depends on them."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    each = max(1, cores // max(1, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
    for name in _THREADS:
        os.environ.setdefault(name, str(each))
    if "numba" in sys.modules:
        import numba

        numba.set_num_threads(min(each, numba.get_num_threads()))
    else:
        os.environ.setdefault("NUMBA_NUM_THREADS", str(each))
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(each)


def _merge(config: pytest.Config) -> None:
    state = _state(config)
    if state is None or hasattr(config, "workerinput") or state.options.profile != "nightly":
        return
    from harness.quiet import undisturbed

    with undisturbed():
        from harness.plugin.nights import corpus

        found = corpus(state.options)
        assert found is not None
        state.told += found.merge()
