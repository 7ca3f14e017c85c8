"""Half-precision graphs of every form that is met, and what ONNX Runtime computes from their weights in single precision.

    tools/.venv/bin/python tools/goldens/half.py

Writes packages/node/test/fixtures/half: `<name>.onnx` and golden.json with inputs and expected outputs. The networks are
exported or written in single precision, their weights rounded to what half precision holds, and run: that is the
reference. Then they are converted, by the converters that made the public files where those can. Also checks what
packages/core/src/onnx/operators.ts says of ONNX's own list of operators.
"""

import json
import platform
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxconverter_common.float16
import onnxruntime
import torch
from onnx import TensorProto, defs, helper, numpy_helper
from onnxruntime.transformers import float16 as onnxruntime_float16
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "packages/node/test/fixtures/half"
PACKAGES = ["torch", "onnx", "onnxruntime", "onnxconverter-common", "numpy"]
NEWEST_OPSET = 28
TYPE_ATTRIBUTES = {"to", "dtype", "output_dtype", "output_datatype", "stash_type", "softmax_precision", "precision"}
GELU = [np.float32(np.sqrt(2))]  # not rounded: the rewriter gives ONNX Runtime the constant it looks for


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


class ConvNet(nn.Module):
    """Convolutions, Gelu, a gate that is clipped, a resize, an embedding."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.norm = nn.BatchNorm2d(8)
        self.pointwise = nn.Conv2d(8, 24, 1)
        self.head = nn.Linear(24, 12)

    def forward(self, pixels):
        x = nn.functional.gelu(self.stem(pixels))
        x = x + self.norm(self.depthwise(x)) * 0.3
        gate = torch.clamp(x.mean((2, 3), keepdim=True) * 4 + 0.5, 0, 1)
        x = nn.functional.interpolate(x * gate, scale_factor=2, mode="bilinear")
        return self.head(nn.functional.gelu(self.pointwise(x)).mean((2, 3)))


class AttentionNet(nn.Module):
    """Token look-up, layer norms, attention under a mask, a causal one."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(50, 16)
        self.positions = nn.Parameter(torch.randn(7, 16) * 0.3)
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.Linear(16, 48)
        self.out = nn.Linear(16, 16)
        self.up = nn.Linear(16, 40)
        self.down = nn.Linear(40, 16)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions
        q, k, v = self.qkv(self.norm(x)).reshape(x.shape[0], x.shape[1], 3, 2, 8).permute(2, 0, 3, 1, 4)
        mask = torch.full((7, 7), -60000.0).triu(1)
        x = x + self.out(((q * 8**-0.5) @ k.transpose(-1, -2) + mask).softmax(-1).matmul(v).transpose(1, 2).reshape(x.shape))
        x = x + self.down(nn.functional.gelu(self.up(x)))
        return x[torch.arange(x.shape[0]), ids.argmax(-1)]


def exported(network, example, name):
    file = OUT / f"{name}.tmp.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (example,), str(file), dynamo=False, opset_version=17,
            input_names=[name], output_names=["embeds"], dynamic_axes={name: {0: "batch"}, "embeds": {0: "batch"}},
        )  # fmt: skip
    model = onnx.load(file)
    file.unlink()
    return model


def rounded_tensor(tensor):
    values = numpy_helper.to_array(tensor)
    if tensor.data_type != TensorProto.FLOAT or (values.size == 1 and any(np.isclose(values, one, rtol=1e-6) for one in GELU)):
        return
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16).astype(np.float32), tensor.name))


def each_graph(graph, visit):
    visit(graph)
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs:
                each_graph(inner, visit)


def rounded(model):
    def visit(graph):
        for tensor in graph.initializer:
            rounded_tensor(tensor)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    rounded_tensor(attribute.t)

    copy = onnx.ModelProto.FromString(model.SerializeToString())
    each_graph(copy.graph, visit)
    return copy


def in_half(model, store=lambda tensor: tensor):
    """Everything in half precision, for what the converters do not convert. `store` decides how tensors are stored."""

    def half_tensor(tensor):
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(store(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)))

    def visit(graph):
        for tensor in graph.initializer:
            half_tensor(tensor)
        for value in [*graph.input, *graph.output, *graph.value_info]:
            if value.type.tensor_type.elem_type == TensorProto.FLOAT:
                value.type.tensor_type.elem_type = TensorProto.FLOAT16
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    half_tensor(attribute.t)
                if node.op_type in ("Cast", "EyeLike") and attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.FLOAT16

    copy = onnx.ModelProto.FromString(model.SerializeToString())
    each_graph(copy.graph, visit)
    return copy


def as_int32_data(tensor):
    """As helper.make_tensor stores half precision: its bits as integers."""
    values = numpy_helper.to_array(tensor)
    stored = TensorProto(data_type=TensorProto.FLOAT16, dims=values.shape, name=tensor.name)
    stored.int32_data.extend(int(bits) for bits in values.view(np.uint16).ravel())
    return stored


def weights(random, name, *shape, scale=0.5):
    return numpy_helper.from_array((random.standard_normal(shape) * scale).astype(np.float32), name)


def value(name, type, *shape):
    return helper.make_tensor_value_info(name, type, shape)


def model_of(nodes, name, inputs, outputs, initializers, microsoft=False, others=()):
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid("com.microsoft", 1)] if microsoft else []), *others]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def decoder(random):
    """One layer with a cache of keys and values, 4-bit matrices and a rotary embedding, as language models have it."""
    hidden, heads, dim, vocabulary = 32, 2, 16, 24
    tensors, nodes = [weights(random, "norm", hidden), weights(random, "norm2", hidden)], []

    def matrix(name, source, rows):
        packed = random.integers(0, 256, (rows, 1, 16), dtype=np.uint8)
        tensors.append(numpy_helper.from_array(packed, f"{name}.q4"))
        tensors.append(weights(random, f"{name}.scales", rows, scale=0.05))
        nodes.append(
            helper.make_node(
                "MatMulNBits", [source, f"{name}.q4", f"{name}.scales"], [name], domain="com.microsoft",
                K=hidden, N=rows, bits=4, block_size=32, accuracy_level=0,
            )
        )  # fmt: skip

    angles = np.arange(32)[:, None] * (0.1 ** (np.arange(dim // 2) / (dim // 2)))[None]
    tensors += [numpy_helper.from_array(f(angles).astype(np.float32), n) for f, n in ((np.cos, "cos"), (np.sin, "sin"))]
    nodes.append(helper.make_node("SimplifiedLayerNormalization", ["inputs_embeds", "norm"], ["normed"], axis=-1, epsilon=1e-6, stash_type=1))
    for name in "qkv":
        matrix(name, "normed", hidden)
    nodes += [
        helper.make_node("ReduceSum", ["attention_mask", "axis"], ["total64"], keepdims=1),
        helper.make_node("Sub", ["total64", "one"], ["before64"]),
        helper.make_node("Cast", ["before64"], ["before"], to=TensorProto.INT32),
        helper.make_node("Shape", ["attention_mask"], ["mask_shape"]),
        helper.make_node("Gather", ["mask_shape", "one_scalar"], ["length64"]),
        helper.make_node("Cast", ["length64"], ["length"], to=TensorProto.INT32),
        helper.make_node(
            "GroupQueryAttention",
            ["q", "k", "v", "past_key_values.0.key", "past_key_values.0.value", "before", "length", "cos", "sin"],
            ["attended", "present.0.key", "present.0.value"], domain="com.microsoft",
            num_heads=heads, kv_num_heads=heads, do_rotary=1,
        ),
    ]  # fmt: skip
    tensors += [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (("axis", [1]), ("one", [1]), ("one_scalar", 1))]
    matrix("projected", "attended", hidden)
    nodes.append(helper.make_node("SkipSimplifiedLayerNormalization", ["inputs_embeds", "projected", "norm2"], ["final", "", "", ""], domain="com.microsoft", epsilon=1e-6))
    matrix("logits", "final", vocabulary)
    cache = [f"{at}.0.{part}" for at in ("past_key_values", "present") for part in ("key", "value")]
    return model_of(
        nodes, "decoder",
        [value("inputs_embeds", 1, 1, "tokens", hidden), value("attention_mask", 7, 1, "total"),
         *[value(name, 1, 1, heads, "past", dim) for name in cache[:2]]],
        [value("logits", 1, 1, "tokens", vocabulary), *[value(name, 1, 1, heads, "total", dim) for name in cache[2:]]],
        tensors, microsoft=True,
    )  # fmt: skip


def subgraphs(random):
    """Weights inside of branches and loops, and outer ones that are used only there."""
    nothing = helper.make_tensor("", TensorProto.FLOAT, [5, 4], random.standard_normal(20).astype(np.float32))
    then = helper.make_graph(
        [helper.make_node("MatMul", ["x", "inner"], ["product"]), helper.make_node("Add", ["product", "outer"], ["then"])],
        "then", [], [value("then", 1, "n", 4)], [weights(random, "inner", 4, 4)],
    )  # fmt: skip
    otherwise = helper.make_graph(
        [helper.make_node("Constant", [], ["matrix"], value=nothing), helper.make_node("MatMul", ["x5", "matrix"], ["else"])],
        "else", [], [value("else", 1, "n", 4)],
    )  # fmt: skip
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["keep_in"], ["keep"]),
            helper.make_node("Mul", ["state_in", "factor"], ["scaled"]),
            helper.make_node("Tanh", ["scaled"], ["state"]),
        ],
        "body", [value("step", 7), value("keep_in", 9), value("state_in", 1, "n", 4)], [value("keep", 9), value("state", 1, "n", 4)],
    )  # fmt: skip
    return model_of(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["column"], value=helper.make_tensor("", TensorProto.FLOAT, [1], [0.3])),
            helper.make_node("Concat", ["x", "column"], ["x5"], axis=1),
            helper.make_node("If", ["yes"], ["branch"], then_branch=then, else_branch=otherwise),
            helper.make_node("Loop", ["three", "", "branch"], ["looped"], body=body),
            helper.make_node("EyeLike", ["square"], ["eye"], dtype=TensorProto.FLOAT),
            helper.make_node("MatMul", ["looped", "eye"], ["y"]),
        ],
        "subgraphs",
        [value("x", 1, 2, 4), value("yes", 9)], [value("y", 1, 2, 4)],
        [weights(random, "outer", 1, 4), weights(random, "factor", 1, 4), weights(random, "square", 4, 4),
         *[numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (("shape", [2, 1]), ("three", 3))]],
    )  # fmt: skip


def external(random):
    return model_of(
        [helper.make_node("MatMul", ["x", "weight"], ["product"]), helper.make_node("Add", ["product", "bias"], ["y"])],
        "external", [value("x", 1, 2, 20)], [value("y", 1, 2, 30)],
        [weights(random, "weight", 20, 30), weights(random, "bias", 30)],
    )  # fmt: skip


def custom(random):
    """An operator that nobody here knows."""
    return model_of(
        [helper.make_node("Mystery", ["x"], ["m"], domain="org.example"), helper.make_node("Mul", ["m", "weight"], ["y"])],
        "custom", [value("x", 1, 2, 20)], [value("y", 1, 2, 20)], [weights(random, "weight", 2, 20)],
        others=[helper.make_opsetid("org.example", 1)],
    )  # fmt: skip


def weight_as_output():
    return model_of(
        [helper.make_node("Add", ["x", "x"], ["y"])], "weight_as_output",
        [value("x", 1, 2)], [value("y", 1, 2), value("w", 1, 20)],
        [numpy_helper.from_array(np.arange(20, dtype=np.float32) / 8, "w")],
    )  # fmt: skip


def first_weight(model):
    return next(tensor for tensor in model.graph.initializer if np.prod(tensor.dims) > 16)


def with_taken_name(model):
    """A value has the name that the rewriter would give to a weight: onnxruntime takes the file, but not what is made of it."""
    taken = first_weight(model).name + "/half"
    old = next(node.output[0] for node in model.graph.node if node.op_type == "Conv")
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = taken if name == old else name
    kept = [info for info in model.graph.value_info if info.name != old]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
    return model


def with_taken_weight(model):
    """Another weight has that name."""
    tensor = first_weight(model)
    model.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(tensor) * 0, tensor.name + "/half"))
    return model


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
