"""Building an ONNX graph op by op."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from .data_file import DataFile

MICROSOFT = "com.microsoft"  # operators of ONNX Runtime that are not in the standard
OPSET, IR_VERSION = 17, 8


class GraphWriter:
    """Names nodes and constants as they are added; every method returns the name of a value."""

    def __init__(self, file: Path, half=False):
        self.data = DataFile(file)
        self.half = half  # floats between the nodes are fp16
        self.nodes, self.constants, self.inputs, self.outputs, self.count = [], [], [], [], 0

    @property
    def float_type(self):
        return TensorProto.FLOAT16 if self.half else TensorProto.FLOAT

    def add(self, op, *inputs, domain="", outputs=1, **attributes):
        """`outputs`: how many, or the indices of those that are used."""
        self.count += 1
        kept = range(outputs) if isinstance(outputs, int) else outputs
        names = [f"{op}_{self.count}_{i}" if i in kept else "" for i in range(max(kept) + 1)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=names[0], domain=domain, **attributes))
        used = [name for name in names if name]
        return used[0] if len(used) == 1 else used

    def microsoft(self, op, *inputs, **attributes):
        return self.add(op, *inputs, domain=MICROSOFT, **attributes)

    def constant(self, value, dtype=None, name=None):
        """`dtype` None: a float of the graph's own width."""
        self.count += 1
        name = name or f"constant_{self.count}"
        dtype = dtype or (np.float16 if self.half else np.float32)
        self.constants.append(self.data.tensor(np.ascontiguousarray(value, dtype), name))
        return name

    def cast(self, value, to):
        return self.add("Cast", value, to=to)

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, value, name, kind, shape):
        """Gives `value` its public name."""
        for node in self.nodes:
            if value in node.output:
                node.output[list(node.output).index(value)] = name
        assert not any(value in node.input for node in self.nodes), f"{name} is read inside the graph"
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def model(self, name):
        from . import __version__

        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION,
            producer_name="mclip_export", producer_version=__version__,
        )  # fmt: skip

    def save(self, name):
        self.data.save(self.model(name))
