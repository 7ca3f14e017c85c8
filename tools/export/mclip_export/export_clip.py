"""From a CLIP network to a model folder: two graphs in several dtypes and the manifest."""

import base64
import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch.nn.functional import normalize

from .aligned_weights import align_weights
from .clip_inputs import CANARY_TEXT, canary_inputs, planning_inputs
from .clip_models import ClipModel
from .clip_network import TextTower, VisionTower
from .dense_tower import OUTPUT as DENSE
from .dense_tower import DenseVisionTower
from .errors import ExportError
from .folded_norms import fold_norms
from .graph_writer import OPSET
from .hub_files import write_hub_files
from .model_folder import file_entry, model_folder, write_manifest
from .storage_plan import plan_w8
from .tool_versions import tool_versions
from .weight_storage import write_half

DTYPES = ["fp32", "fp16", "w8"]
TENSORS = {"vision": ("pixel_values", "image_embeds"), "text": ("input_ids", "text_embeds")}
GRAPHS = "onnx"  # their folder, and their names: as the hub's repositories have them
SUFFIXES = {"fp32": "", "fp16": "_fp16", "w8": "_w8"}
PLAN_TARGETS = {"vision": 0.9995, "text": 0.9993}  # on inputs of the plan; the bound that `verify` checks is 0.999 on others


def write_tower(tower, example, names, file: Path):
    """fp32, for any batch size; the example only gives shapes. `names`: of the input, then of the outputs."""
    tower.eval()  # the exporter puts back the mode it found, down to the batch norms
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower, (example,), str(file), dynamo=False, opset_version=OPSET, input_names=[names[0]], output_names=list(names[1:]),
            dynamic_axes={name: {0: "batch"} for name in names},
        )  # fmt: skip


def tower_of(network, tower, dense):
    """The module of a graph and the names of its input and outputs."""
    if tower == "vision" and dense:
        if not hasattr(network.visual, "trunk"):
            raise ExportError("--dense is for vision towers of timm (FastViT, ViT).")
        return DenseVisionTower(network), (*TENSORS[tower], DENSE)
    return {"vision": VisionTower, "text": TextTower}[tower](network), TENSORS[tower]


def write_tower_files(network, tower, model: ClipModel, folder: Path, dtypes, dense):
    """dtype -> file of one tower."""
    module, names = tower_of(network, tower, dense)
    files = {dtype: folder / f"{tower}_model{SUFFIXES[dtype]}.onnx" for dtype in DTYPES if dtype in dtypes}
    plain = folder / f"{tower}_model.onnx"
    inputs, checks = planning_inputs(model, tower)
    write_tower(module, torch.from_numpy(inputs[:2]), names, plain)
    if "fp16" in files:
        write_half(plain, files["fp16"])
    if "w8" in files:
        plan = plan_w8(plain, inputs, checks, PLAN_TARGETS[tower])
        plan.write(plain, files["w8"])
        print(f"{tower} w8: {len(plan.in_half)} weights in fp16, cosine {plan.reached:.5f} on inputs of the plan", flush=True)
    if "fp32" not in files:
        plain.unlink()
    for file in files.values():
        align_weights(file)
    return files


def encoded(embedding):
    return base64.b64encode(np.asarray(embedding, "<f4").tobytes()).decode()


@torch.no_grad()
def canary(network, model: ClipModel):
    """What the network says about the canary's inputs, L2-normalised."""
    inputs = canary_inputs(model)
    return {
        "pattern": 1,
        "vision": encoded(normalize(network.encode_image(inputs["vision"]), dim=-1)[0]),
        "text": {"inputText": CANARY_TEXT, "embedding": encoded(normalize(network.encode_text(inputs["text"]), dim=-1)[0])},
    }


def places(files):
    """What the manifest says of the dense output: its name and its rows and columns."""
    graph = onnx.load(next(iter(files.values())), load_external_data=False).graph
    *_, rows, columns = next(output.type.tensor_type.shape.dim for output in graph.output if output.name == DENSE)
    return {"output": DENSE, "rows": rows.dim_value, "columns": columns.dim_value}


def export_clip(network, model: ClipModel, out: Path, dtypes, licence, source, name=None, dense=False):
    """Writes the folder `out`; returns its manifest. `dense`: with an embedding per place as the vision graph's second output."""
    config = model.preprocessing()
    scale = min(float(network.logit_scale.detach().exp()), 100.0)  # Apple's code clamps it
    expected = canary(network, model)
    fold_norms(network)
    with model_folder(out) as folder:
        (folder / GRAPHS).mkdir()
        files = {tower: write_tower_files(network, tower, model, folder / GRAPHS, dtypes, dense) for tower in TENSORS}
        dim = len(base64.b64decode(expected["vision"])) // 4
        write_hub_files(folder, model, dim, config)
        manifest = {
            "mclip": 1,
            "task": "clip",
            "name": name or model.folder,
            "dim": dim,
            "licence": licence,
            "source": {**source, "tools": tool_versions()},
            "image": {
                "size": config["size"],
                "fit": config["fit"],
                "interpolation": config["interpolation"],
                "mean": list(config["mean"]),
                "std": list(config["std"]),
            },
            "text": {"tokenizer": "clip", "contextLength": 77, "padId": 0},
            "logitScale": round(scale, 4),
            "scores": "softmax",
            "graphs": {
                tower: {
                    "input": TENSORS[tower][0],
                    "output": TENSORS[tower][1],
                    "files": {dtype: file_entry(file, folder) for dtype, file in dtypes.items()},
                }
                for tower, dtypes in files.items()
            },
            "canary": expected,
        }
        if dense:
            manifest["graphs"]["vision"]["dense"] = places(files["vision"])
        write_manifest(folder, manifest)
    return json.loads((out / "mclip.json").read_text())
