"""Where a campaign runs: the commit of the checkout, versions, hardware. For the reader; no decision rests on it."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from harness.finding import versions


def surroundings() -> dict[str, Any]:
    """``revision``, ``versions`` and ``hardware`` of this process."""
    return {"revision": revision(), "versions": versions(), "hardware": hardware()}


def revision() -> str | None:
    """Commit of the checkout that this code lies in, with ``+`` if files changed since; None where there is none."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def hardware() -> dict[str, Any]:
    """Processor, cores that may be used, memory in bytes, and GPUs as their driver names them."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = names[0] if names else processor
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    gpus = [
        line.split(":", 1)[1].strip()
        for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        for line in file.read_text().splitlines()
        if line.startswith("Model")
    ]
    return {"processor": processor, "cores": len(os.sched_getaffinity(0)), "memory": pages, "gpus": gpus}


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@cache
def code_digest() -> str:
    """Hash of all our source files: two machines with the same one do the same with a shard."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[2]
    for package in ("theorems", "fuzz", "harness"):
        for file in sorted((root / package).rglob("*.py")):
            digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:32]
