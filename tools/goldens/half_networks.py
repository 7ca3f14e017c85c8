"""The networks of half.py, in single precision: two exported from PyTorch, the others written node by node."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn


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
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        file = Path(folder) / f"{name}.onnx"
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (example,), str(file), dynamo=False, opset_version=17,
            input_names=[name], output_names=["embeds"], dynamic_axes={name: {0: "batch"}, "embeds": {0: "batch"}},
        )  # fmt: skip
        return onnx.load(file)


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
