"""Half precision as files have it: weights rounded, whole graphs converted, names that a rewriter would want itself."""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

GELU = [np.float32(np.sqrt(2))]  # not rounded: the rewriter gives ONNX Runtime the constant it looks for


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
