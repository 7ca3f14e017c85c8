"""Half-precision graphs of every form that is met, and what ONNX Runtime computes from their weights in single precision.

    tools/.venv/bin/python tools/goldens/half.py

Writes packages/node/test/fixtures/half: `<name>.onnx` and golden.json with inputs and expected outputs. The networks are
exported or written in single precision, their weights rounded to what half precision holds, and run: that is the
reference. Then they are converted, by the converters that made the public files where those can. Also checks what
packages/core/src/onnx/operators.ts says of ONNX's own list of operators.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxconverter_common.float16
import onnxruntime
import torch
from half_files import as_int32_data, in_half, rounded, with_taken_name, with_taken_weight
from half_networks import AttentionNet, ConvNet, custom, decoder, exported, external, subgraphs, weight_as_output
from onnx import defs
from onnxruntime.transformers import float16 as onnxruntime_float16
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "packages/node/test/fixtures/half"
PACKAGES = ["torch", "onnx", "onnxruntime", "onnxconverter-common", "numpy"]
NEWEST_OPSET = 28
TYPE_ATTRIBUTES = {"to", "dtype", "output_dtype", "output_datatype", "stash_type", "softmax_precision", "precision"}


def check_operators():
    """Every operator that takes half precision takes single; types are named by these attributes only."""
    for schema in defs.get_all_schemas_with_history():
        if schema.domain != "" or schema.since_version > NEWEST_OPSET:
            continue
        for constraint in schema.type_constraints:
            allowed = set(constraint.allowed_type_strs)
            assert "tensor(float16)" not in allowed or "tensor(float)" in allowed, schema.name
        for name, attribute in schema.attributes.items():
            named = attribute.type == defs.OpSchema.AttrType.INT and ("type" in name or "precision" in name or name == "to")
            assert not named or name in TYPE_ATTRIBUTES, (schema.name, name)
    assert defs.onnx_opset_version() >= NEWEST_OPSET


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return {o.name: v for o, v in zip(session.get_outputs(), session.run(None, feeds))}


def described(array):
    short = [float(str(v)) for v in array.ravel()] if array.dtype == np.float32 else array.ravel().tolist()
    return {"type": str(array.dtype), "dims": list(array.shape), "data": short}


def save(name, model):
    (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())


def main():
    check_operators()
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    random = np.random.default_rng(7)
    common = onnxconverter_common.float16.convert_float_to_float16
    ort = onnxruntime_float16.convert_float_to_float16
    networks = {"pixels": ConvNet(), "ids": AttentionNet()}
    for parameter in networks["pixels"].norm.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    examples = {"pixels": torch.randint(0, 256, (2, 3, 12, 12)) / 255, "ids": torch.randint(0, 50, (2, 7))}
    cases, golden = {}, {}

    for name, network in networks.items():
        original = rounded(exported(network, examples[name], name))
        feeds = {name: examples[name].numpy()}
        expected = run(original, feeds)
        copy = lambda: onnx.ModelProto.FromString(original.SerializeToString())  # noqa: E731, B023
        cases[f"{name}.common"] = (common(copy(), keep_io_types=True), feeds, expected)
        cases[f"{name}.common-half-io"] = (common(copy()), feeds, expected)
        cases[f"{name}.onnxruntime"] = (ort(copy(), keep_io_types=True), feeds, expected)
    written = {"decoder": decoder(random), "subgraphs": subgraphs(random), "external": external(random)}
    mask = np.ones((1, 7), np.int64)
    caches = {f"past_key_values.0.{part}": random.standard_normal((1, 2, 4, 16)).astype(np.float16).astype(np.float32) for part in ("key", "value")}
    feeds = {
        "decoder": {"inputs_embeds": random.standard_normal((1, 3, 32)).astype(np.float32), "attention_mask": mask, **caches},
        "subgraphs": {"x": random.standard_normal((2, 4)).astype(np.float32), "yes": np.array(True)},
        "external": {"x": random.standard_normal((2, 20)).astype(np.float32)},
    }
    for name, model in written.items():
        cases[name] = (in_half(rounded(model)), feeds[name], run(rounded(model), feeds[name]))
    otherwise = {**feeds["subgraphs"], "yes": np.array(False)}
    cases["subgraphs-int32"] = (in_half(rounded(written["subgraphs"]), as_int32_data), otherwise, run(rounded(written["subgraphs"]), otherwise))

    for name, (model, feed, expected) in cases.items():
        if name != "external":
            save(name, model)
        golden[name] = {"feeds": {k: described(v) for k, v in feed.items()}, "expected": {k: described(v) for k, v in expected.items()}}
    (OUT / "external.onnx_data").unlink(missing_ok=True)  # onnx.save would append
    onnx.save(
        cases["external"][0], OUT / "external.onnx", save_as_external_data=True, location="external.onnx_data", size_threshold=0,
    )  # fmt: skip
    for name, change in (("taken-name", with_taken_name), ("taken-weight", with_taken_weight)):
        save(name, change(onnx.ModelProto.FromString(cases["pixels.common-half-io"][0].SerializeToString())))
    save("custom", in_half(custom(random)))
    save("weight-as-output", in_half(weight_as_output()))
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    (OUT / "golden.json").write_text(json.dumps({"versions": versions, "cases": golden}) + "\n")
    print(f"{len(cases)} cases, {sum(file.stat().st_size for file in OUT.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
