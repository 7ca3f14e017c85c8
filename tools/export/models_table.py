"""Writes the tables of proven models into docs/models.md, between its markers, from results/*.json.

    python models_table.py [--check | --add REPORT ...]

--add takes reports of a FastVLM that `verify --json` wrote into results/vlm.json first: a large one is exported and verified a
few dtypes at a time.
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "models.md"
RESULTS = HERE / "results"
DTYPES = ("fp32", "fp16", "w8")
INTEGERS = ("q8", "q4", "q4f16")  # computed in 8 bits: compared by the cosine of teacher-forced logits


def cell(row):
    return f"{row['megabytes']:.1f}"


def lines_of(name, figures):
    rows = {(row["graph"], row["dtype"]): row for row in figures["rows"]}
    for graph in ("vision", "text"):
        tower = [rows[graph, dtype] for dtype in DTYPES]
        difference = max(row["difference"] for row in tower)
        plain, w8 = rows[graph, "fp32"], rows[graph, "w8"]
        sizes = " | ".join(cell(row) for row in tower)
        yield (
            f"| {name} {graph} | {sizes} | {difference:.0e} | {rows[graph, 'fp16']['cosine']:.5f} | {w8['cosine']:.5f} "
            f"| {w8['agreement']:.3f} | {plain['spread']:.2f} |"
        )


def origin(results):
    first = next(iter(results.values()))
    versions, machine = first["versions"], first["machine"]
    dates = sorted({figures["date"] for figures in results.values()})
    return (
        f"{machine['cores']} cores of {machine['cpu']}, {machine['system']}; PyTorch {versions['torch']}, timm {versions['timm']}, "
        f"open_clip {versions['open_clip_torch']}, ONNX Runtime {versions['onnxruntime']}; {' and '.join(dates)}."
    )


def clip_table(results):
    return "\n".join([
        "| | fp32 MB | fp16 MB | w8 MB | error | cosine fp16 | cosine w8 | top-1 w8 | spread |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(line for name, figures in results.items() for line in lines_of(name, figures)),
        "",
        origin(results),
    ])  # fmt: skip


def vlm_table(results):
    lines = ["| | | MB | to PyTorch on its own weights | cosine to fp32 | same best token |", "|---|---|---:|---:|---:|---:|"]
    for name, figures in results.items():
        for row in figures["rows"]:
            difference = row["difference"]
            own = "" if difference is None else f"cosine {1 - difference:.5f}" if row["dtype"] in INTEGERS else f"{difference:.0e}"
            sizes = f"{row['dtype']} | {row['megabytes']:.1f}"
            lines.append(f"| {name} {row['graph']} | {sizes} | {own} | {row['cosine']:.5f} | {row['agreement']:.2f} |")
    return "\n".join([*lines, "", origin(results)])


TABLES = {"clip": clip_table, "vlm": vlm_table}
ORDER = ("fp32", "fp16", "w8", "q8", "q4", "q4f16")


def place(row):
    return row["graph"] != "vision", ORDER.index(row["dtype"])


def add(report: Path):
    """Its rows instead of those of the same graphs and dtypes; the others stay."""
    file = RESULTS / "vlm.json"
    results, figures = json.loads(file.read_text()), json.loads(report.read_text())
    known = results.get(figures["name"], {"rows": []})
    rows = {place(row): row for row in known["rows"] + figures["rows"]}
    results[figures["name"]] = {**figures, "rows": [rows[at] for at in sorted(rows)]}
    file.write_text(json.dumps(results, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether the document is up to date")
    parser.add_argument("--add", nargs="+", type=Path, default=[], metavar="REPORT", help="reports of `verify --json` on a FastVLM")
    options = parser.parse_args()
    for report in options.add:
        add(report)
    text = written = DOCUMENT.read_text()
    for kind, table in TABLES.items():
        begin, end = f"<!-- {kind} figures: tools/export/models_table.py -->", f"<!-- end of {kind} figures -->"
        before, rest = written.split(begin)
        results = json.loads((RESULTS / f"{kind}.json").read_text())
        written = f"{before}{begin}\n{table(results)}\n{end}{rest.split(end)[1]}"
    if options.check:
        sys.exit(0 if written == text else f"{DOCUMENT} is not what {RESULTS} says: run models_table.py")
    DOCUMENT.write_text(written)


if __name__ == "__main__":
    main()
