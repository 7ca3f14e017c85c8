"""Reports of a model that was exported a few dtypes at a time become one list of rows."""

import json

import models_table


def report(date, *rows):
    return {"name": "net", "date": date, "rows": [{"graph": graph, "dtype": dtype, "megabytes": size} for graph, dtype, size in rows]}


def test_rows_of_a_report_replace_their_own_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(models_table, "RESULTS", tmp_path)
    other = report("2026-01-01", ("decoder", "q8", 9))
    before = report("2026-01-01", ("vision", "fp32", 1), ("decoder", "fp32", 2), ("decoder", "q4", 3))
    (tmp_path / "vlm.json").write_text(json.dumps({"other": other, "net": before}))
    added = tmp_path / "added.json"
    added.write_text(json.dumps(report("2026-01-02", ("decoder", "q8", 4), ("vision", "w8", 5), ("decoder", "fp32", 6))))
    models_table.add(added)
    results = json.loads((tmp_path / "vlm.json").read_text())
    assert results["other"] == other
    assert results["net"]["date"] == "2026-01-02"
    assert [(row["graph"], row["dtype"], row["megabytes"]) for row in results["net"]["rows"]] == [
        ("vision", "fp32", 1),
        ("vision", "w8", 5),
        ("decoder", "fp32", 6),
        ("decoder", "q8", 4),
        ("decoder", "q4", 3),
    ]
