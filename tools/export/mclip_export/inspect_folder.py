"""What a model folder holds: files against the manifest, inputs and outputs of its graphs."""

import json
from pathlib import Path

from .errors import ExportError
from .model_folder import sha256
from .onnx_session import make_session


def read_manifest(folder: Path):
    file = folder / "mclip.json"
    try:
        manifest = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ExportError(f"{folder} is no model folder: {file.name} cannot be read ({error}).") from error
    if not isinstance(manifest, dict) or manifest.get("mclip") != 1 or manifest.get("task") not in ("clip", "vlm"):
        raise ExportError(f"{file} is no manifest of version 1 for task clip or vlm.")
    graphs = manifest.get("graphs")
    listed = isinstance(graphs, dict) and all(isinstance(graph, dict) and isinstance(graph.get("files"), dict) for graph in graphs.values())
    if not listed:
        raise ExportError(f"{file} does not say which files its graphs have: graphs.*.files.")
    return manifest


def entries(manifest):
    """(what, dtype, entry) of every file that the manifest names with a hash."""
    for graph, described in manifest["graphs"].items():
        for dtype, entry in described["files"].items():
            yield graph, dtype, entry
            if "data" in entry:
                yield f"{graph} data", dtype, entry["data"]
    for dtype, entry in manifest.get("embedding", {}).get("files", {}).items():
        yield "embedding", dtype, entry


def problem_of(folder: Path, entry):
    file = folder / entry["file"]
    if not file.is_file():
        return "missing"
    size, expected = file.stat().st_size, entry.get("sha256")
    if entry.get("bytes") not in (None, size):
        return f"{size} bytes, not {entry['bytes']}"
    return "" if expected is None or sha256(file) == expected else "another SHA-256"


def shape_of(value):
    return f"{value.name} {value.type.removeprefix('tensor(').rstrip(')')}[{', '.join(str(d) for d in value.shape)}]"


def inspect_folder(folder: Path):
    """Prints; fails when a file is not what the manifest says."""
    manifest = read_manifest(folder)
    licence, source = manifest.get("licence", {}).get("id", "unknown"), json.dumps(manifest.get("source"))
    print(f"{manifest.get('name')} ({manifest['task']}), licence {licence}, source {source}")
    problems = []
    for what, dtype, entry in entries(manifest):
        problem = problem_of(folder, entry)
        size = "missing" if problem == "missing" else f"{(folder / entry['file']).stat().st_size / 1e6:.2f} MB"
        print(f"{what:10} {dtype:6} {size:>12}  {entry['file']}  {problem or 'ok'}")
        if problem:
            problems.append(f"{entry['file']}: {problem}")
    tokenizer = manifest.get("text", {}).get("tokenizer")
    if isinstance(tokenizer, dict) and (problem := problem_of(folder, tokenizer)):
        problems.append(f"{tokenizer['file']}: {problem}")
    for graph, described in manifest["graphs"].items():
        whole = [entry for entry in described["files"].values() if not problem_of(folder, entry)]
        if not whole:
            continue
        smallest = min(whole, key=lambda entry: (folder / entry["file"]).stat().st_size)
        session = make_session(folder / smallest["file"])
        inputs, outputs = session.get_inputs(), session.get_outputs()
        more = f" and {len(inputs) - 2} more" if len(inputs) > 3 else ""
        print(f"{graph}: {'; '.join(shape_of(v) for v in inputs[: 2 if more else 3])}{more} -> {shape_of(outputs[0])}")
    if problems:
        raise ExportError(f"{folder} is damaged: {'; '.join(problems)}.")
