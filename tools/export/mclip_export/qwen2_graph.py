"""The decoder graph: Qwen2 with a key and value cache, logits of the last position only.

inputs_embeds f32 [batch, sequence, hidden], attention_mask i64 [batch, total], past_key_values.{i}.{key,value}
[batch, kvHeads, past, headDim] -> logits f32 [batch, 1, rows], present.{i}.{key,value}. Attention is ONNX Runtime's
GroupQueryAttention, which rotates queries and keys itself: no positions are needed. Of the last layer, everything after
attention is computed for the last position only.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto

from .architectures import Qwen2
from .graph_writer import GraphWriter
from .linear_forms import FINE_FORMS, FINE_SHARE, FORMS, HALVED_SHARE, HALVED_STEPS, spare_columns

DTYPES = list(FORMS)


def rotations(config: Qwen2):
    """Cosines and sines [context, headDim / 2], in double precision before rounding."""
    frequencies = config.theta ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
    angles = np.arange(config.context)[:, None] * frequencies
    return np.cos(angles), np.sin(angles)


class DecoderWriter:
    def __init__(self, config: Qwen2, weights, dtype: str, file: Path, copies=None):
        self.config, self.weights, self.dtype, self.copies = config, weights, dtype, copies or {}
        self.graph = GraphWriter(file, half=dtype == "q4f16")

    def weight(self, name):
        return self.weights[name].float().numpy()

    def form(self, site, layer):
        """How a site of a layer is written; and by how much finer its weights are."""
        forms, place = FORMS[self.dtype], layer / self.config.layers
        if place < FINE_SHARE:
            forms = forms | FINE_FORMS.get(self.dtype, {})
        halved = place < HALVED_SHARE and site in HALVED_STEPS.get(self.dtype, ())
        return forms[site], 2 if halved else 1

    def linear(self, site, layer, value, *names, bias=False):
        """One product for several linear layers that read the same value; `spare_columns` of zeros may follow."""
        weight = np.concatenate([self.weight(f"{name}.weight") for name in names])
        bias = np.concatenate([self.weight(f"{name}.bias") for name in names]) if bias else None
        form, finer = self.form(site, layer)
        if site == "gate_up":
            weight = np.pad(weight, [(0, spare_columns(form, len(weight))), (0, 0)])
        copies = self.copies.get(f"{names[0]}.weight")
        options = {} if copies is None else {"copies": finer * copies.numpy().astype(np.int64)}
        return form(self.graph, value, weight, bias, **options)

    def gate_and_up(self, both, layer):
        width = self.config.intermediate
        parts = [width, width, spare_columns(self.form("gate_up", layer)[0], 2 * width)]
        parts = [part for part in parts if part > 0]
        return self.graph.add("Split", both, self.graph.constant(parts, np.int64), axis=-1, outputs=len(parts))

    def norm(self, value, name):
        gain = self.graph.constant(self.weight(f"{name}.weight"))
        return self.graph.add("SimplifiedLayerNormalization", value, gain, axis=-1, epsilon=self.config.epsilon, stash_type=1)

    def add_and_norm(self, residual, value, name):
        """The new residual stream, and the norm of it."""
        gain = self.graph.constant(self.weight(f"{name}.weight"))
        norm, total = self.graph.microsoft(
            "SkipSimplifiedLayerNormalization", residual, value, gain, outputs=(0, 3), epsilon=self.config.epsilon
        )
        return total, norm

    def last_position(self, value):
        """[batch, sequence, hidden] -> [batch, 1, hidden]"""
        bounds = (self.graph.constant([v], np.int64) for v in (-1, np.iinfo(np.int64).max, 1))
        return self.graph.add("Slice", value, *bounds)

    def lengths(self):
        """What GroupQueryAttention wants: index of the last valid key i32 [batch], number of keys i32 []."""
        graph = self.graph
        valid = graph.add("ReduceSum", "attention_mask", graph.constant([1], np.int64), keepdims=0)
        last = graph.cast(graph.add("Sub", valid, graph.constant([1], np.int64)), TensorProto.INT32)
        total = graph.add("Gather", graph.add("Shape", "attention_mask"), graph.constant(1, np.int64), axis=0)
        return last, graph.cast(total, TensorProto.INT32)

    def write(self):
        config, graph = self.config, self.graph
        graph.input("inputs_embeds", TensorProto.FLOAT, ["batch", "sequence", config.hidden])
        graph.input("attention_mask", TensorProto.INT64, ["batch", "total_sequence"])
        last, total = self.lengths()
        cosines, sines = (graph.constant(table) for table in rotations(config))
        residual = graph.cast("inputs_embeds", TensorProto.FLOAT16) if graph.half else "inputs_embeds"
        norm = self.norm(residual, "layers.0.input_layernorm")
        for layer in range(config.layers):
            name = f"layers.{layer}"
            cache = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
            for past in cache:
                graph.input(past, graph.float_type, ["batch", config.kv_heads, "past_sequence", config.head_dim])
            qkv = self.linear("qkv", layer, norm, *(f"{name}.self_attn.{part}_proj" for part in "qkv"), bias=True)
            mixed, key, value = graph.microsoft(
                "GroupQueryAttention", qkv, "", "", *cache, last, total, cosines, sines, outputs=3,
                num_heads=config.heads, kv_num_heads=config.kv_heads, do_rotary=1, scale=config.head_dim**-0.5,
            )  # fmt: skip
            for present, kind in ((key, "key"), (value, "value")):
                shape = ["batch", config.kv_heads, "total_sequence", config.head_dim]
                graph.output(present, f"present.{layer}.{kind}", graph.float_type, shape)
            if layer == config.layers - 1:
                mixed, residual = self.last_position(mixed), self.last_position(residual)
            attended = self.linear("attention_out", layer, mixed, f"{name}.self_attn.o_proj")
            residual, norm = self.add_and_norm(residual, attended, f"{name}.post_attention_layernorm")
            both = self.linear("gate_up", layer, norm, f"{name}.mlp.gate_proj", f"{name}.mlp.up_proj")
            gate, up, *_ = self.gate_and_up(both, layer)
            gated = graph.add("Mul", graph.add("Mul", gate, graph.add("Sigmoid", gate)), up)
            down = self.linear("down", layer, gated, f"{name}.mlp.down_proj")
            following = "norm" if layer == config.layers - 1 else f"layers.{layer + 1}.input_layernorm"
            residual, norm = self.add_and_norm(residual, down, following)
        logits = self.linear("head", config.layers, norm, "lm_head")
        if graph.half:
            logits = graph.cast(logits, TensorProto.FLOAT)
        graph.output(logits, "logits", TensorProto.FLOAT, ["batch", 1, config.rows])
        graph.outputs.insert(0, graph.outputs.pop())  # logits first, as in files of others
        graph.save("decoder")


def write_decoder(config: Qwen2, weights, dtype: str, file: Path, copies=None):
    """`weights`: name -> tensor, named as transformers' Qwen2 without `model.`; `copies`: see `outlier_copies.py`."""
    DecoderWriter(config, weights, dtype, file, copies).write()
