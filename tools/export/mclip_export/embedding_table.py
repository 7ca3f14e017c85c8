"""The token embeddings: raw rows that are read where they lie, and a Gather graph for runtimes that want one.

`fp16`: headerless little-endian fp16 [rows, hidden]. `q8`: per row one little-endian fp32 scale, then `hidden` int8.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto

from .graph_writer import GraphWriter
from .quantisation import int8_channels

INPUT, OUTPUT = "input_ids", "inputs_embeds"


def write_half_rows(table, file: Path):
    """`table`: fp32 [rows, hidden]"""
    file.write_bytes(table.astype("<f2").tobytes())


def write_int8_rows(table, file: Path):
    values, scales = int8_channels(table, 0)
    rows = np.empty(len(table), [("scale", "<f4"), ("values", "i1", table.shape[1])])
    rows["scale"], rows["values"] = scales[:, 0], values
    file.write_bytes(rows.tobytes())


def write_gather(table, file: Path):
    """fp16 in the file, fp32 rows out: the Cast comes after the Gather, so only the rows that are read are converted."""
    graph = GraphWriter(file, half=True)
    graph.input(INPUT, TensorProto.INT64, ["batch", "sequence"])
    rows = graph.cast(graph.add("Gather", graph.constant(table), INPUT, axis=0), TensorProto.FLOAT)
    graph.output(rows, OUTPUT, TensorProto.FLOAT, ["batch", "sequence", table.shape[1]])
    graph.save("embed_tokens")
