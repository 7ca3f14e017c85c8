"""Proves a model folder: PyTorch and ONNX Runtime side by side on seeded inputs, as a table with bounds.

Columns: file size; median time of one run; largest difference of a graph's output to PyTorch on the weights that the file
stands for; least cosine to the fp32 file; how often the best label (CLIP, of 1,000 seeded ones) or the best next token
(decoder) is the fp32 file's; largest cosine of two different inputs.
"""

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from .errors import ExportError
from .inspect_folder import entries, problem_of, read_manifest
from .tool_versions import machine, tool_versions

DIFFERENCE_BOUND = 1e-4
SPREAD_BOUND = 0.9
COSINE_BOUNDS = {"fp32": 0.999999, "fp16": 0.9999, "w8": 0.999, "q8": 0.999}


@dataclass
class Row:
    """One graph file. None: not measured; a bound of None: reported only."""

    graph: str
    dtype: str
    megabytes: float
    milliseconds: float
    difference: float | None
    difference_bound: float | None
    cosine: float
    cosine_bound: float | None
    agreement: float
    spread: float | None = None

    def failures(self):
        found = []
        if self.difference is not None and self.difference_bound is not None and self.difference > self.difference_bound:
            found.append(f"{self.graph} {self.dtype} differs from PyTorch by {self.difference:.2g}, more than {self.difference_bound}")
        if self.cosine_bound is not None and self.cosine < self.cosine_bound:
            found.append(f"{self.graph} {self.dtype} has a cosine of {self.cosine:.6f} to fp32, less than {self.cosine_bound}")
        if self.spread is not None and self.spread > SPREAD_BOUND:
            found.append(f"{self.graph} {self.dtype}: two inputs are {self.spread:.3f} alike, more than {SPREAD_BOUND}")
        return found


def shown(value, form):
    return "-" if value is None else format(value, form)


def print_table(rows, name):
    print(f"| {name} | MB | ms | max error to PyTorch | cosine to fp32 | top-1 | largest cosine of two inputs |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        print(
            f"| {row.graph} {row.dtype} | {row.megabytes:.1f} | {row.milliseconds:.1f} | {shown(row.difference, '.1e')} "
            f"| {row.cosine:.5f} | {row.agreement:.3f} | {shown(row.spread, '.3f')} |",
            flush=True,
        )


def median_milliseconds(run, runs=3):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times))


def largest_cosine(embeddings):
    """Of any two rows, [n, dim]."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return float((unit @ unit.T)[~np.eye(len(unit), dtype=bool)].max())


def write_report(file: Path, name, rows):
    when = datetime.now(UTC).date().isoformat()
    report = {"name": name, "date": when, "machine": machine(), "versions": tool_versions(), "rows": [asdict(row) for row in rows]}
    file.write_text(json.dumps(report, indent=1) + "\n")


def check_provable(folder: Path, manifest, checkpoint: Path | None):
    """A clear word where there is nothing to compare with."""
    source, files = manifest.get("source"), {graph: described["files"] for graph, described in manifest["graphs"].items()}
    if not isinstance(source, dict) or "architecture" not in source:
        raise ExportError(
            f"{folder} was not written by this exporter (its manifest has no source.architecture), so there is no PyTorch network "
            "to compare it with. `inspect` checks its files."
        )
    if source.get("randomWeights") is None and checkpoint is None:
        raise ExportError("This model was made of a checkpoint: give it with --checkpoint.")
    without = [graph for graph, written in files.items() if graph != "embed" and "fp32" not in written]
    if without:
        raise ExportError(f"{folder} has no fp32 file of {' and '.join(without)} to compare with: export with --dtype fp32 among others.")


def verify(folder: Path, checkpoint: Path | None = None, report: Path | None = None):
    manifest = read_manifest(folder)
    check_provable(folder, manifest, checkpoint)
    damaged = [f"{entry['file']}: {problem}" for _, _, entry in entries(manifest) if (problem := problem_of(folder, entry))]
    if damaged:
        raise ExportError(f"{folder} is damaged: {'; '.join(damaged)}.")
    if manifest["task"] == "clip":
        from .verify_clip import clip_rows as rows_of
    else:
        from .verify_vlm import vlm_rows as rows_of
    rows = rows_of(folder, manifest, checkpoint, manifest["source"].get("randomWeights"))
    print_table(rows, manifest["name"])
    if report:
        write_report(report, manifest["name"], rows)
    failures = [failure for row in rows for failure in row.failures()]
    if failures:
        raise ExportError("; ".join(failures) + ".")
    return rows
