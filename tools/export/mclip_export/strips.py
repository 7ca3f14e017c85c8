"""The largest activations of a vision graph in strips, one after the other: the same numbers in less memory.

At 1024 px the hidden layer of a ConvFFN of the first stage has 100 MB in fp32, and so has its Gelu. Each is computed for a
part of the rows at a time and joined where it is small again. Pictures are multiples of 64 pixels, so that rows divide.
"""

from onnx import NodeProto, helper

STRIPS = 4


def renamed(nodes, value, part, index):
    """`nodes`, a chain that reads `value`, once more for a strip; and the name of its last output."""
    names, made = {value: part}, []
    for node in nodes:
        copy = NodeProto.FromString(node.SerializeToString())
        names |= {name: f"{name}/{index}" for name in node.output}
        copy.name = f"{node.name}/{index}"
        copy.input[:] = [names.get(name, name) for name in node.input]
        copy.output[:] = [names[name] for name in node.output]
        made.append(copy)
    return made, copy.output[0]


def in_strips(nodes, value):
    """What does the same as `nodes`, a chain from `value` [batch, channels, height, width], row by row of the picture."""
    parts = [f"{value}/strip/{index}" for index in range(STRIPS)]
    made, ends = [helper.make_node("Split", [value], parts, name=f"{value}/strips", axis=2)], []
    for index, part in enumerate(parts):
        copies, end = renamed(nodes, value, part, index)
        made, ends = made + copies, [*ends, end]
    output = nodes[-1].output[0]
    return [*made, helper.make_node("Concat", ends, [output], name=f"{output}/joined", axis=2)]
