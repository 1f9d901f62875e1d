"""The files of ``.github/workflows``, which cannot run here: what can be told of them without GitHub.

Thin calls of scripts that exist, with variables that the scripts read; actions with versions; permissions for what is
done; folders that the scripts write; and steps that keep what a night has found, whatever its end.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

# Keys of GitHub's workflow syntax, those that are used here; another one is a misprint or asks to be added.
_WORKFLOW = {"name", "on", "permissions", "concurrency", "jobs"}
_JOB = {"runs-on", "timeout-minutes", "steps", "strategy", "environment", "permissions"}
_STEP = {"uses", "run", "with", "env", "if", "id", "name"}
_PERMISSIONS = {"contents", "issues", "pull-requests", "pages", "id-token"}
# What a step needs of the token, by what it calls.
_NEEDS = {
    "ci/open-issue": {"issues": "write"},
    "ci/comment": {"pull-requests": "write"},
    "actions/deploy-pages": {"pages": "write", "id-token": "write"},
    "actions/checkout": {"contents": "read"},
}
_ACTIONS = {
    "actions/checkout": set(),
    "actions/setup-python": {"python-version"},
    "actions/cache/restore": {"path", "key", "restore-keys"},
    "actions/cache/save": {"path", "key"},
    "actions/upload-artifact": {"name", "path", "include-hidden-files"},
    "actions/upload-pages-artifact": {"path"},
    "actions/deploy-pages": set(),
}
_KEEPING = ("actions/cache/save", "actions/upload-artifact", "actions/upload-pages-artifact", "actions/deploy-pages")
_KNOWN = re.compile(r"always\(\)|cancelled\(\)|hashFiles\('[^']+'\)|github(\.\w+)+|matrix\.\w+|'[^']*'|&&|[!=]=|!|\s")
_FOLDER = re.compile(r"\$\{(?:OUT|STATE):-([\w.-]+)\}")


def faults(workflow: dict[Any, Any]) -> Iterator[str]:
    """What is wrong with a workflow, in words."""
    # YAML 1.1 reads the key "on" as true.
    workflow = {"on" if key is True else key: value for key, value in workflow.items()}
    yield from (f"unknown key {key}" for key in workflow.keys() - _WORKFLOW)
    yield from (f"no {key}" for key in ("on", "permissions", "jobs") if not workflow.get(key))
    yield from _triggers(workflow.get("on"))
    for name, job in (workflow.get("jobs") or {}).items():
        granted = {**(workflow.get("permissions") or {}), **job.get("permissions", {})}
        yield from (f"unknown permission {key}" for key in granted.keys() - _PERMISSIONS)
        yield from (f"{name}: {fault}" for fault in _job(job, granted))


def _triggers(on: Any) -> Iterator[str]:
    events = set(on) if isinstance(on, (dict, list)) else {on}
    yield from (
        f"unknown trigger {event}" for event in events - {"push", "pull_request", "schedule", "workflow_dispatch"}
    )
    for entry in on.get("schedule") or [] if isinstance(on, dict) else []:
        limits = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
        fields = entry["cron"].split()
        good = len(fields) == 5 and all(
            f == "*" or (f.isdecimal() and low <= int(f) <= high) for f, (low, high) in zip(fields, limits, strict=True)
        )
        if not good:
            yield f"no time of the day or week: {entry['cron']}"


def _job(job: dict[str, Any], granted: dict[str, str]) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in job.keys() - _JOB)
    yield from (f"no {key}" for key in ("runs-on", "timeout-minutes", "steps") if key not in job)
    if not 0 < job.get("timeout-minutes", 1) <= 360:
        yield "no runner works for longer than 360 minutes"
    steps = job.get("steps", [])
    scripts = [words[1] for words in (step.get("run", "").split() for step in steps) if len(words) > 1]
    text = "".join((ROOT / script).read_text("utf-8") for script in scripts if (ROOT / script).is_file())
    written = set(_FOLDER.findall(text))
    ids = {step["id"] for step in steps if "id" in step}
    for number, step in enumerate(steps):
        at = step.get("uses") or step.get("run") or "a step"
        yield from (f"{at}: {fault}" for fault in _step(step, granted, written, ids, job))
        if any("ci/" in before.get("run", "") for before in steps[:number]) and _keeps(step) and not _always(step):
            yield f"{at}: is left out when a step before it fails, or the job is cancelled"
    if not (steps and steps[0].get("uses", "").startswith("actions/checkout@")):
        yield "the repository is not checked out first"
    yield from _caches(steps)


def _keeps(step: dict[str, Any]) -> bool:
    return _action(step) in _KEEPING or any(script in step.get("run", "") for script in ("ci/open-issue", "ci/comment"))


def _always(step: dict[str, Any]) -> bool:
    return "always()" in str(step.get("if", ""))


def _action(step: dict[str, Any]) -> str:
    return str(step.get("uses", "")).partition("@")[0]


def _step(
    step: dict[str, Any], granted: dict[str, str], written: set[str], ids: set[str], job: dict[str, Any]
) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in step.keys() - _STEP)
    if ("run" in step) == ("uses" in step):
        yield "either runs or uses"
        return
    condition = str(step.get("if", "")).removeprefix("${{").removesuffix("}}")
    if rest := _KNOWN.sub("", condition):
        yield f"nobody sets {rest!r} in its condition"
    values = [
        condition,
        *map(str, step.get("with", {}).values()),
        *map(str, step.get("env", {}).values()),
        step.get("run", ""),
    ]
    for name in re.findall(r"steps\.(\w+)", " ".join(values)):
        if name not in ids:
            yield f"no step has the id {name}"
    for name in re.findall(r"matrix\.(\w+)", " ".join(values)):
        if name not in job.get("strategy", {}).get("matrix", {}):
            yield f"no such part of the matrix: {name}"
    called = _action(step) if "uses" in step else [*step["run"].split(), "", ""][1]
    for permission, level in _NEEDS.get(called, {}).items():
        if granted.get(permission) not in (level, "write"):
            yield f"needs {permission}: {level}"
    yield from _uses(step, written) if "uses" in step else _runs(step)


def _uses(step: dict[str, Any], written: set[str]) -> Iterator[str]:
    action, _, version = step["uses"].partition("@")
    if action not in _ACTIONS:
        yield "an action that is not known here"
        return
    if not re.fullmatch(r"v\d+(\.\d+)*|[0-9a-f]{40}", version):
        yield "no version"
    yield from (f"unknown input {key}" for key in step.get("with", {}).keys() - _ACTIONS[action])
    for path in step.get("with", {}).get("path", "").split():
        if path.split("/")[0] not in written:
            yield f"no script of the job writes {path}"
        if (
            path.startswith(".")
            and action == "actions/upload-artifact"
            and not step["with"].get("include-hidden-files")
        ):
            yield f"{path} is hidden, and so left out"


def _runs(step: dict[str, Any]) -> Iterator[str]:
    words = step["run"].split()
    if len(words) < 2 or words[0] != "bash" or "\n" in step["run"].strip():
        yield "not a thin call"
        return
    script = ROOT / words[1]
    if not script.is_file():
        yield f"no such script: {words[1]}"
        return
    text = script.read_text("utf-8")
    for name in step.get("env", {}):
        if name != "GH_TOKEN" and f"${{{name}" not in text:
            yield f"its script does not read {name}"
    if re.search(r"\bgh ", text) and "GH_TOKEN" not in step.get("env", {}):
        yield "gh has no token"


def _caches(steps: list[dict[str, Any]]) -> Iterator[str]:
    """What is saved is what is restored, under a new key each time, since a cache is written once."""
    found = {_action(step): step.get("with", {}) for step in steps}
    restore, save = found.get("actions/cache/restore"), found.get("actions/cache/save")
    if (restore is None) != (save is None):
        yield "a cache is restored or saved, but not both"
    if restore is None or save is None:
        return
    if (restore.get("path"), restore.get("key")) != (save.get("path"), save.get("key")):
        yield "another cache is saved than restored"
    if not ("github.run_id" in save["key"] and "github.run_attempt" in save["key"]):
        yield "the cache of a second attempt would not be saved"
    if not restore.get("restore-keys") or not save["key"].startswith(restore["restore-keys"]):
        yield "the cache of the night before is not found"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_nothing_is_wrong_with_a_workflow(file: Path) -> None:
    assert list(faults(yaml.safe_load(file.read_text(encoding="utf-8")))) == []


def test_all_workflows_are_there() -> None:
    assert {file.stem for file in WORKFLOWS} >= {"ci", "pull-request", "nightly", "weekly"}


def named(workflow: dict[str, Any], what: str) -> dict[str, Any]:
    """The step that calls something."""
    (job,) = workflow["jobs"].values()
    (step,) = [s for s in job["steps"] if what in s.get("uses", "") + s.get("run", "")]
    return step  # type: ignore[no-any-return]


PLANTED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "misprint": (lambda w: named(w, "ci/nightly").update(envs={}), "unknown key envs"),
    "script": (lambda w: named(w, "ci/nightly").update(run="bash ci/nihgtly"), "no such script"),
    "thick": (lambda w: named(w, "ci/nightly").update(run="bash ci/nightly\nls"), "not a thin call"),
    "make": (lambda w: named(w, "ci/nightly").update(run="make"), "not a thin call"),
    "variable": (lambda w: named(w, "ci/nightly").update(env={"CAMPAIN": "3h"}), "does not read CAMPAIN"),
    "token": (lambda w: named(w, "open-issue").pop("env"), "gh has no token"),
    "version": (lambda w: named(w, "checkout").update(uses="actions/checkout@main"), "no version"),
    "action": (lambda w: named(w, "checkout").update(uses="actions/chekout@v4"), "not known here"),
    "input": (lambda w: named(w, "cache/save")["with"].update(keys="x"), "unknown input keys"),
    "found": (lambda w: named(w, "cache/save").pop("if"), "left out when a step before it fails"),
    "cancelled": (lambda w: named(w, "open-issue").update({"if": "!cancelled()"}), "or the job is cancelled"),
    "attempt": (
        lambda w: [
            named(w, f"cache/{c}")["with"].update(key="clipbounds-${{ github.run_id }}") for c in ("save", "restore")
        ],
        "second attempt",
    ),
    "key": (lambda w: named(w, "cache/save")["with"].update(key="other"), "another cache is saved"),
    "before": (lambda w: named(w, "cache/restore")["with"].update({"restore-keys": "x"}), "night before"),
    "never": (lambda w: w["jobs"]["campaign"]["steps"].remove(named(w, "cache/save")), "not both"),
    "folder": (lambda w: named(w, "upload-artifact")["with"].update(path="clipbounds-night"), "no script of the job"),
    "hidden": (lambda w: named(w, "upload-artifact")["with"].pop("include-hidden-files"), "is hidden"),
    "output": (lambda w: named(w, "deploy").update({"if": "always() && steps.site.outputs.x"}), "nobody sets"),
    "permission": (lambda w: w["permissions"].pop("issues"), "needs issues: write"),
    "pages": (lambda w: w["permissions"].update(pages="read"), "needs pages: write"),
    "limit": (lambda w: w["jobs"]["campaign"].pop("timeout-minutes"), "no timeout-minutes"),
    "long": (lambda w: w["jobs"]["campaign"].update({"timeout-minutes": 400}), "longer than 360"),
    "cron": (lambda w: w[True]["schedule"][0].update(cron="17 24 * * *"), "no time of the day"),
    "trigger": (lambda w: w.pop(True), "no on"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_of_the_nightly_workflow_is_seen(fault: str) -> None:
    (file,) = [file for file in WORKFLOWS if file.stem == "nightly"]
    workflow = copy.deepcopy(yaml.safe_load(file.read_text(encoding="utf-8")))
    change, words = PLANTED[fault]
    change(workflow)
    assert any(words in said for said in faults(workflow)), list(faults(workflow))
