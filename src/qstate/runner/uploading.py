"""What of a program's folder is uploaded, and whether Ray takes it."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from qstate.errors import InvalidProgramError
from qstate.runner.connection import load_ray

LIMIT: Final = 100 * 2**20
"""The most bytes that Ray's job server takes at once."""

NOT_UPLOADED: Final = (
    ".git/",
    ".hg/",
    ".svn/",
    ".venv/",
    "venv/",
    "__pycache__/",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".tox/",
    ".nox/",
    "node_modules/",
    "/data/",
    "/datasets/",
    *(f"*.{kind}" for kind in ("h5", "hdf5", "nc", "npy", "npz", "parquet", "feather", "arrow")),
    *(f"*.{kind}" for kind in ("pt", "pth", "ckpt", "safetensors", "onnx")),
    *(f"*.{kind}" for kind in ("db", "sqlite", "sqlite3", "zip", "tar", "tar.gz", "tgz")),
    "*.zarr/",
)
"""Patterns as in ``.gitignore``: version control, virtual environments, caches and data."""

_NAMED: Final = 5


def patterns(folder: Path, excludes: Sequence[str]) -> list[str]:
    """What Ray leaves out of a folder, besides what its ``.gitignore`` and ``.rayignore`` name.

    Args:
        folder: The folder.
        excludes: Further patterns; one that begins with ``!`` brings back what others leave out.
    """
    environments = [f"/{file.parent.name}/" for file in folder.glob("*/pyvenv.cfg")]
    return [*NOT_UPLOADED, *sorted(environments), *excludes]


def check_size(folder: Path, excludes: Sequence[str], name: str) -> set[str]:
    """Make sure that Ray takes a folder.

    Args:
        folder: The folder.
        excludes: As for :func:`patterns`.
        name: That of the program, for the error.

    Returns:
        The files that are uploaded, by their paths inside the folder.

    Raises:
        InvalidProgramError: It is too large; the message names what is largest in it.
    """
    sizes = _sizes(folder, patterns(folder, excludes))
    total = sum(sizes.values())
    if total > LIMIT:
        raise InvalidProgramError(
            f"program {name!r}: {folder} has {_mib(total)} to upload, and Ray takes "
            f"{_mib(LIMIT)}. Largest: {_largest(sizes)}. Leave out what the job does not need, by "
            "Program(excludes=[…]) or a .rayignore file, or give it a working_dir of its own"
        )
    return set(sizes)


def _sizes(folder: Path, excludes: list[str]) -> dict[str, int]:
    load_ray()
    from ray._private.runtime_env import packaging

    sizes: dict[str, int] = {}

    def measure(path: Path) -> None:
        if path.is_file():
            sizes[path.relative_to(folder).as_posix()] = path.stat().st_size

    packaging._dir_travel(
        folder,
        [packaging._get_excludes(folder, excludes)],
        measure,
        include_gitignore=os.environ.get("RAY_RUNTIME_ENV_IGNORE_GITIGNORE", "0") != "1",
        logger=logging.getLogger(__name__),
    )
    return sizes


def _largest(sizes: dict[str, int]) -> str:
    """The largest entries of the folder itself: files, and folders with all that is in them."""
    entries: Counter[str] = Counter()
    for path, size in sizes.items():
        first, inside, _ = path.partition("/")
        entries[first + inside] += size
    return ", ".join(f"{entry} ({_mib(size)})" for entry, size in entries.most_common(_NAMED))


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
