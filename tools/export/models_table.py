"""Writes the tables of proven models into docs/models.md, between its markers, from results/*.json.

    python models_table.py [--check]
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "models.md"
RESULTS = HERE / "results" / "clip.json"
BEGIN, END = "<!-- clip figures: tools/export/models_table.py -->", "<!-- end of clip figures -->"
DTYPES = ("fp32", "fp16", "w8")


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


def table():
    results = json.loads(RESULTS.read_text())
    first = next(iter(results.values()))
    versions, machine = first["versions"], first["machine"]
    dates = sorted({figures["date"] for figures in results.values()})
    return "\n".join([
        "| | fp32 MB | fp16 MB | w8 MB | error | cosine fp16 | cosine w8 | top-1 w8 | spread |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(line for name, figures in results.items() for line in lines_of(name, figures)),
        "",
        f"{machine['cores']} cores of {machine['cpu']}, {machine['system']}; PyTorch {versions['torch']}, timm {versions['timm']}, "
        f"open_clip {versions['open_clip_torch']}, ONNX Runtime {versions['onnxruntime']}; {' and '.join(dates)}.",
    ])  # fmt: skip


def main():
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    written = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if "--check" in sys.argv:
        sys.exit(0 if written == text else f"{DOCUMENT} is not what {RESULTS} says: run models_table.py")
    DOCUMENT.write_text(written)


if __name__ == "__main__":
    main()
