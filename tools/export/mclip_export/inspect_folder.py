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
    if manifest.get("mclip") != 1 or manifest.get("task") not in ("clip", "vlm"):
        raise ExportError(f"{file} is no manifest of version 1 for task clip or vlm.")
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
    if file.stat().st_size != entry["bytes"]:
        return f"{file.stat().st_size} bytes, not {entry['bytes']}"
    return "" if sha256(file) == entry["sha256"] else "another SHA-256"


def shape_of(value):
    return f"{value.name} {value.type.removeprefix('tensor(').rstrip(')')}[{', '.join(str(d) for d in value.shape)}]"


def inspect_folder(folder: Path):
    """Prints; fails when a file is not what the manifest says."""
    manifest = read_manifest(folder)
    print(f"{manifest['name']} ({manifest['task']}), licence {manifest['licence']['id']}, source {json.dumps(manifest['source'])}")
    problems = []
    for what, dtype, entry in entries(manifest):
        problem = problem_of(folder, entry)
        print(f"{what:10} {dtype:6} {entry['bytes'] / 1e6:9.2f} MB  {entry['file']}  {problem or 'ok'}")
        if problem:
            problems.append(f"{entry['file']}: {problem}")
    tokenizer = manifest["text"]["tokenizer"]
    if isinstance(tokenizer, dict) and sha256(folder / tokenizer["file"]) != tokenizer["sha256"]:
        problems.append(f"{tokenizer['file']}: another SHA-256")
    for graph, described in manifest["graphs"].items():
        smallest = min(described["files"].values(), key=lambda entry: entry["bytes"])
        if any(smallest["file"] in problem for problem in problems):
            continue
        session = make_session(folder / smallest["file"])
        inputs, outputs = session.get_inputs(), session.get_outputs()
        more = f" and {len(inputs) - 2} more" if len(inputs) > 3 else ""
        print(f"{graph}: {'; '.join(shape_of(v) for v in inputs[: 2 if more else 3])}{more} -> {shape_of(outputs[0])}")
    if problems:
        raise ExportError(f"{folder} is damaged: {'; '.join(problems)}.")
