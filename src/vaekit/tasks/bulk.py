"""Verbs in bulk: rows in parts, each worked on by itself and a file of its own, whatever does the work.

Part k holds the rows [k·n, (k+1)·n). Its file gets its name once it is whole: who finds the name finds all of it, a
part that is done twice is there once, and a stopped job goes on with the parts that are missing. A manifest tells what
the parts are of, and at the end that all are there.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vaekit.data.files import TEMPORARY, PathLike, atomic_write, output_errors
from vaekit.data.frames import is_frame
from vaekit.data.progress import Tell
from vaekit.data.readers import picture_names, read, rows_on_disk
from vaekit.data.writers import write
from vaekit.errors import OutputError, ParameterError, SourceError
from vaekit.tasks.jobs import Job, Part

PART_ROWS = 10_000  # eight blocks of an archive, and some seconds of scoring
MANIFEST = "_manifest.json"  # readers of folders of Parquet pass over what begins so
WORK = ".work"  # a folder within: rows that cannot be read where they lie without all others, and notes of workers
SUFFIXES = (".npy", ".csv", ".tsv", ".parquet", ".arrow")

# What makes other parts, and how it is said.
SAID = {
    "verb": "by another verb",
    "options": "with other options",
    "model_sha256": "by another model",
    "data": "of other data",
    "parts": "of another length",
    "vaekit": "by another version of vaekit",
}

Manifest = dict[str, Any]
Engine = Callable[[Job, Sequence[Part]], Iterator[Part]]


def one_by_one(job: Job, parts: Sequence[Part]) -> Iterator[Part]:
    """Do a job's parts in this process and yield each when its file is there: the plainest engine."""
    for part in parts:
        job(part)
        yield part


def in_parts(
    job: Job,
    data: str,
    folder: PathLike,
    *,
    rows: str | None = None,
    part_rows: int = PART_ROWS,
    engine: Engine = one_by_one,
    tell: Tell | None = None,
) -> Manifest:
    """Do a verb with data in parts; return the manifest, which tells that all parts are there.

    What stands in the parts, one after the other, is what the verb makes of all rows at once, bit for bit: no row's
    result depends on its company. Parts of before are kept, so a stopped job goes on where it stopped.

    Parameters
    ----------
    job : Job
    data : str
        As `vaekit.data.readers.read` takes it. Who works on rows of a `.npy` file reads them there; all else is read
        here, and laid into the folder until the job is done.
    folder : path
        Of part-00000.SUFFIX and its like, made if need be. Its own suffix is theirs, as in `codes.parquet`; without one
        they are `.npy` where verbs answer with arrays and `.parquet` where with tables.
    rows : str, optional
        "A:B" of the data; all by default.
    part_rows : int
    engine : callable
        Does a job's parts, in any order, and yields each when its file is there.
    tell : callable, optional
        Is told the share that is done.

    Raises
    ------
    ParameterError
        When parts are to have no rows.
    OutputError
        When the folder holds other things, or parts of another job.

    Examples
    --------
    >>> import tempfile, numpy as np, vaekit
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/x.npy", X)
    ...     _ = vaekit.VAE(latent_dim=1, epochs=2).fit(X).save(f"{folder}/m.vae")
    ...     manifest = in_parts(Job("embed", f"{folder}/m.vae"), f"{folder}/x.npy", f"{folder}/codes", part_rows=30)
    ...     [np.load(path).shape for path in parts_in(f"{folder}/codes")]
    [(30, 1), (20, 1)]
    """
    if part_rows < 1:
        raise ParameterError(f"part_rows must be at least 1; got {part_rows}.")
    job = replace(job, model=os.path.abspath(job.model))
    _ = job.write  # refuses a model now, and not on every machine
    held = _held(data, rows)
    parts = _parts(held, Path(os.path.abspath(folder)), _suffix(job.verb, folder, held), part_rows)
    return _done(job, held, parts, Path(os.path.abspath(folder)), engine, tell)


def parts_in(folder: PathLike) -> list[Path]:
    """Return the files of a folder's parts, in the order of the data's rows.

    Raises
    ------
    SourceError
        When it is no such folder, or parts are missing.
    """
    manifest = _manifest_of(Path(folder))
    if manifest is None:
        raise SourceError(f"{folder} holds no {MANIFEST}, so it is no folder of parts; name one that a verb wrote.")
    paths = [Path(folder, part["file"]) for part in manifest["parts"]]
    if not manifest["complete"] or not all(map(os.path.exists, paths)):
        raise SourceError(f"{folder} lacks parts; give the command that wrote it again, which goes on with them.")
    return paths


def _done(job: Job, held: _Held, parts: list[Part], folder: Path, engine: Engine, tell: Tell | None) -> Manifest:
    """Do the parts that are missing; return the manifest."""
    plan = _plan(job, held, parts)
    _claim(folder, plan)
    missing = [part for part in parts if not os.path.exists(part.target)]
    shutil.rmtree(folder / WORK, ignore_errors=True)  # of one that was stopped
    try:
        held.lay(missing)
        done = held.n_rows - sum(part.n_rows for part in missing)
        for part in engine(job, missing):
            done += part.n_rows
            if tell is not None:
                tell(done / held.n_rows)
    finally:
        shutil.rmtree(folder / WORK, ignore_errors=True)
    assert all(os.path.exists(part.target) for part in parts)
    for left in folder.glob(f"{TEMPORARY}*"):  # by workers that were killed
        left.unlink(missing_ok=True)
    return _write_manifest(folder, plan, complete=True)


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Held:
    """Data to be cut: a file whose rows are read by themselves, or all rows."""

    path: str
    first: int
    n_rows: int
    found: Any  # None of a file
    names: list[str] | None

    def lay(self, parts: Sequence[Part]) -> None:
        """Write the rows of parts where they are to be read."""
        for part in parts if self.found is not None else []:
            os.makedirs(os.path.dirname(part.source), exist_ok=True)
            write(self.found[part.first : part.first + part.n_rows], part.source)

    def identity(self) -> dict[str, Any]:
        """Return what tells these rows from others: their digest, or a file's size and its time of change."""
        if self.found is None:
            told = os.stat(self.path)
            return {"bytes": told.st_size, "changed_ns": told.st_mtime_ns, "first": self.first, "rows": self.n_rows}
        return {"sha256": _digest(self.found), "rows": self.n_rows}


def _held(data: str, rows: str | None) -> _Held:
    window = rows_on_disk(data, rows)
    if window is not None:
        return _Held(os.path.abspath(data), window.start, len(window), None, None)
    found = read(data, rows)
    return _Held("", 0, len(found), found, picture_names(data, rows))


def _digest(found: Any) -> str:
    """Return the SHA-256 of rows."""
    if not is_frame(found):
        told = f"{found.dtype.str} {found.shape}".encode()
        return hashlib.sha256(told + found.tobytes()).hexdigest()
    raw = io.BytesIO()
    found.write_ipc(raw)
    return hashlib.sha256(raw.getbuffer()).hexdigest()


def _suffix(verb: str, folder: PathLike, held: _Held) -> str:
    """Return the suffix of parts: an archive's, the folder's own, or what holds all that the verb answers with."""
    if verb == "compress":
        return ".vaez"
    own = Path(folder).suffix.lower()
    if own in SUFFIXES:
        return own
    is_table = verb in ("score", "intervals") or (verb == "impute" and held.found is not None and is_frame(held.found))
    return ".parquet" if is_table else ".npy"


def _parts(held: _Held, folder: Path, suffix: str, n: int) -> list[Part]:
    own = ".npy" if held.found is None or not is_frame(held.found) else ".arrow"

    def part(number: int, first: int) -> Part:
        size = min(n, held.n_rows - first)
        target = str(folder / f"part-{number:05}{suffix}")
        if held.found is None:
            return Part(held.path, f"{held.first + first}:{held.first + first + size}", first, size, target)
        names = held.names and held.names[first : first + size]
        return Part(str(folder / WORK / f"{number:05}{own}"), None, first, size, target, names)

    return [part(number, first) for number, first in enumerate(range(0, held.n_rows, n))]


# -- the manifest ------------------------------------------------------------------------------------------------------


def _plan(job: Job, held: _Held, parts: Sequence[Part]) -> Manifest:
    """Return what a folder of parts is of."""
    return {
        "verb": job.verb,
        "options": job.options,
        "model_sha256": hashlib.sha256(Path(job.model).read_bytes()).hexdigest(),
        "data": held.identity(),
        "vaekit": version("vaekit"),
        "parts": [{"file": os.path.basename(part.target), "rows": part.n_rows} for part in parts],
    }


def _claim(folder: Path, plan: Manifest) -> None:
    """Make a folder of parts, or find one of the very same.

    Raises
    ------
    OutputError
        When it holds something else.
    """
    with output_errors(str(folder)):
        folder.mkdir(exist_ok=True)
        is_empty = not any(folder.iterdir())
    there = _manifest_of(folder)
    if there is None:
        if not is_empty:
            raise OutputError(f"{folder} holds other things already; name a new folder for the parts with -o.")
        _write_manifest(folder, plan, complete=False)
        return
    other = next((said for key, said in SAID.items() if there.get(key) != plan[key]), None)
    if other is not None:
        raise OutputError(f"{folder} holds parts {other}; name another folder with -o, or remove this one.")


def _manifest_of(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _write_manifest(folder: Path, plan: Manifest, *, complete: bool) -> Manifest:
    manifest = plan | {"complete": complete}
    atomic_write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest
