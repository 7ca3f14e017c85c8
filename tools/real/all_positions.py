"""A decoder of tools/export as the public repositories have it: logits of all positions, not of the last one only.

    tools/.venv/bin/python tools/real/all_positions.py tools/real/models/fastvlm-0.5b/decoder_model_merged_q4.onnx

writes `<name>_all_positions.onnx` beside it, for bench/caption.mjs: what the peer has to run without our export.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def main(path: Path) -> None:
    model = onnx.load(path)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    constants = {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    slices = [node for node in model.graph.node if node.op_type == "Slice"]
    for node in slices:
        tensor = tensors.get(node.input[1]) or constants[node.input[1]]
        starts = numpy_helper.to_array(tensor)
        if starts.tolist() != [-1]:
            raise SystemExit(f"{node.name} begins at {starts.tolist()}, not at the last position")
        tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(starts), tensor.name))
    if not slices:
        raise SystemExit(f"{path} gives the logits of all positions already")
    logits = next(output for output in model.graph.output if output.name == "logits")
    logits.type.tensor_type.shape.dim[1].dim_param = "sequence"
    onnx.save(model, path.with_name(f"{path.stem}_all_positions.onnx"))


main(Path(sys.argv[1]))
