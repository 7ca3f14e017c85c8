"""Large constants in a file beside the graph, written as they are made: a large decoder is never in memory as a whole.

A protobuf holds less than 2 GiB. A graph that fits is made one file in the end, `name.onnx`; another has its large
constants in `name.onnx_data`, as the hub's repositories do, which runtimes map instead of reading.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.external_data_helper import load_external_data_for_model

PAGE = 4096
SMALLEST = 1024  # bytes; below, a constant stays in the graph
LARGEST_GRAPH = 2_000_000_000  # bytes of constants


def data_file(graph: Path):
    """Where the constants of `graph` are that it does not hold itself."""
    return graph.with_name(f"{graph.name}_data")


def size_of(graph: Path):
    """Bytes of a graph with all its constants."""
    return sum(file.stat().st_size for file in (graph, data_file(graph)) if file.exists())


class DataFile:
    def __init__(self, graph: Path):
        self.graph, self.file = graph, data_file(graph)
        self.stream = self.file.open("wb")

    def tensor(self, array, name):
        """A constant that says where in the file it is."""
        if array.nbytes < SMALLEST:
            return onnx.numpy_helper.from_array(array, name)
        self.stream.write(bytes(-self.stream.tell() % PAGE))
        tensor = TensorProto(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.file.name), ("offset", self.stream.tell()), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self.stream.write(memoryview(np.ascontiguousarray(array)).cast("B"))
        return tensor

    def save(self, model):
        self.stream.close()
        fits = self.file.stat().st_size < LARGEST_GRAPH
        if fits:
            load_external_data_for_model(model, str(self.graph.parent))
        onnx.save(model, self.graph)
        if fits:
            self.file.unlink()
