"""The canary of nano-vlm's manifest: PyTorch's first logits after picture 1 and the default question, from the shipped files.

Needs no checkpoint: the files' numbers are unfolded and put back into the PyTorch network. Run it after vlm/export.py, which
calls `canary` too.

    python -m vlm.canary
"""
import json

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from vlm.decoder import HIDDEN, Decoder
from vlm.greedy import greedy
from vlm.prompt import Prompt
from vlm.questions import DEFAULT_PROMPT
from vlm.tokenizer import OUT, load as load_tokenizer
from vlm.vision import VlmVision, clip_trunk
from vlm.pictures import SIZE

VALUES = 8  # logits that the canary lists


def parameters_in_order(path):
    """Matrices with their biases (or None), and norms' weights, as the graph uses them."""
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    values = dict(constants)
    matrices, norms, after = [], [], {}
    for node in graph.node:
        inputs = [values.get(name) for name in node.input]
        if node.op_type == "Cast" and inputs[0] is not None:
            values[node.output[0]] = inputs[0].astype(np.float32)
        elif node.op_type == "Mul" and all(value is not None for value in inputs):
            values[node.output[0]] = inputs[0] * inputs[1]
        elif node.op_type == "Conv":
            matrices.append([inputs[1], inputs[2]])
        elif node.op_type == "MatMul" and inputs[1] is not None:
            matrices.append([inputs[1].T, None])
            after[node.output[0]] = matrices[-1]
        elif node.op_type == "Add" and node.input[0] in after and inputs[1] is not None:
            after[node.input[0]][1] = inputs[1]
        elif node.op_type == "Mul" and inputs[1] is not None and inputs[1].shape == (HIDDEN,):
            norms.append(inputs[1])
    return matrices, norms


def fill(layers, matrices):
    for layer, (weight, bias) in zip(layers, matrices, strict=True):
        layer.weight.copy_(torch.from_numpy(np.array(weight)))
        assert (bias is None) == (layer.bias is None)
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(np.array(bias)))


class Shipped(nn.Module):
    """The network with exactly the numbers that the shipped files unfold to."""

    def __init__(self):
        super().__init__()
        self.vision = VlmVision(clip_trunk())
        matrices, _ = parameters_in_order(OUT / "vision_encoder.w8.onnx")
        convolutions = [module for module in self.vision.trunk.modules() if isinstance(module, nn.Conv2d)]
        fill([*convolutions, self.vision.overall, self.vision.up, self.vision.down], matrices)

        matrices, norms = parameters_in_order(OUT / "decoder_model_merged.w8.onnx")
        *matrices, (head, _) = matrices
        table = np.fromfile(OUT / "embed_tokens.fp16.bin", "<f2").reshape(-1, HIDDEN)
        self.decoder = Decoder(len(table))
        self.decoder.embedding.weight.copy_(torch.from_numpy(table.astype(np.float32)))
        fill([linear for layer in self.decoder.layers for linear in (layer.q, layer.k, layer.v, layer.o, layer.gate, layer.up, layer.down)],
             matrices)
        for norm, weight in zip([n for layer in self.decoder.layers for n in (layer.norm1, layer.norm2)] + [self.decoder.final], norms, strict=True):
            norm.weight.copy_(torch.from_numpy(np.array(weight)))
        head = torch.from_numpy(np.array(head))
        self.decoder.logits = lambda hidden: hidden @ head.T


@torch.no_grad()
def canary(network, tokenizer):
    """As mclip_export.export_vlm's, which the SDK reads."""
    from export import pattern_1
    prompt = Prompt(tokenizer)
    pixels = torch.from_numpy((pattern_1(SIZE).transpose(2, 0, 1)[None] / 255).astype(np.float32))
    answer = greedy(network, prompt, network.vision.map(pixels), DEFAULT_PROMPT)[0]
    logits = answer.first_logits.numpy()
    best = np.argsort(-logits, kind="stable")[:VALUES]
    return {"pattern": 1, "size": SIZE, "question": DEFAULT_PROMPT, "tokens": len(prompt.full(DEFAULT_PROMPT)),
            "best": best.tolist(), "logits": [round(float(logits[i]), 5) for i in best], "answer": answer.text}


@torch.no_grad()
def main():
    network = Shipped().eval()
    manifest = json.loads((OUT / "mclip.json").read_text())
    manifest["canary"] = canary(network, load_tokenizer())
    (OUT / "mclip.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(manifest["canary"])


if __name__ == "__main__":
    main()
