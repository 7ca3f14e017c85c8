"""A part of a vision graph in strips of the picture, one after the other: the same numbers, sooner and in less memory.

At 1024 px the hidden layer of a ConvFFN of the first stage has 100 MB in fp32, and so has its Gelu: out of a processor's
reach by the time they are read again. Each is computed for some rows at a time and joined where it is small again.
"""

from onnx import NodeProto, helper

SMALLEST_PICTURE = 64  # pixels, of which all pictures are multiples: as many strips as it has rows always divide them


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


def in_strips(nodes, value, strips):
    """What does the same as `nodes`, a chain from `value` [batch, channels, height, width], row by row of the picture."""
    if strips == 1:
        return nodes
    parts = [f"{value}/strip/{index}" for index in range(strips)]
    made, ends = [helper.make_node("Split", [value], parts, name=f"{value}/strips", axis=2)], []
    for index, part in enumerate(parts):
        copies, end = renamed(nodes, value, part, index)
        made, ends = made + copies, [*ends, end]
    output = nodes[-1].output[0]
    return [*made, helper.make_node("Concat", ends, [output], name=f"{output}/joined", axis=2)]
