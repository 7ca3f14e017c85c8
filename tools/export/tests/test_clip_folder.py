"""A whole folder, of tiny models: what is in it, and that other runtimes' names and formats are right."""

import base64
import json

import numpy as np
import onnx
import open_clip
import pytest
import timm
import torch
from canary_picture import canary_picture
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

from mclip_export.__main__ import main
from mclip_export.clip_models import CLIPS
from mclip_export.clip_random_weights import random_clip
from mclip_export.inspect_folder import inspect_folder
from mclip_export.verify import verify

SEEDS = {"tiny-clip": "3", "tiny-clip-vit": "2"}
TEXTS = ["a photo of a cat.", "It's 3 o'clock -- don't worry!", "Où est la gare ? 日本語", "", "UPPER   lower\n42%"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name, seed in SEEDS.items():
        made[name] = tmp_path_factory.mktemp("out") / name
        main(["clip", "--model", name, "--random-weights", seed, "--dense", "--out", str(made[name])])
    return made


@pytest.mark.parametrize("name", ["tiny-clip", "tiny-clip-vit"])
def test_the_folder_passes_its_own_proof(folders, name, tmp_path):
    inspect_folder(folders[name])
    rows = verify(folders[name], report=tmp_path / "report.json")
    assert {(row.graph, row.dtype) for row in rows} == {(g, d) for g in ("vision", "text") for d in ("fp32", "fp16", "w8")}
    assert all(row.difference is not None and row.difference < 1e-4 for row in rows)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["rows"][0]["cosine"] == rows[0].cosine and report["versions"]["torch"] == torch.__version__.split("+")[0]


def test_files_are_named_as_on_the_hub(folders):
    names = {file.relative_to(folders["tiny-clip"]).as_posix() for file in folders["tiny-clip"].rglob("*") if file.is_file()}
    graphs = {f"onnx/{tower}_model{suffix}.onnx" for tower in ("vision", "text") for suffix in ("", "_fp16", "_w8")}
    assert names == graphs | {"mclip.json", "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"}


def test_the_preprocessor_is_the_manifests(folders):
    manifest, config = (json.loads((folders["tiny-clip"] / name).read_text()) for name in ("mclip.json", "preprocessor_config.json"))
    assert config["size"] == {"shortest_edge": manifest["image"]["size"]} and config["image_mean"] == manifest["image"]["mean"]
    assert config["resample"] == 2 and manifest["image"]["interpolation"] == "bilinear"


def test_the_manifest_says_how_graphs_are_fed(folders):
    manifest = json.loads((folders["tiny-clip"] / "mclip.json").read_text())
    assert manifest["image"] == {"size": 128, "fit": "crop", "interpolation": "bilinear", "mean": [0, 0, 0], "std": [1, 1, 1]}
    assert manifest["text"] == {"tokenizer": "clip", "contextLength": 77, "padId": 0}
    network = random_clip(CLIPS["tiny-clip"], int(SEEDS["tiny-clip"]))
    assert manifest["logitScale"] == pytest.approx(float(network.logit_scale.exp()), rel=1e-4)


@pytest.mark.parametrize("name", ["tiny-clip", "tiny-clip-vit"])
def test_the_canary_is_what_the_files_answer(folders, name):
    manifest = json.loads((folders[name] / "mclip.json").read_text())
    canary, ids = manifest["canary"], np.zeros((1, 77), np.int64)
    assert canary["pattern"] == 1 and canary["text"]["inputText"] == "a photo of a cat."
    ids[0, :8] = [49406, 320, 1125, 539, 320, 2368, 269, 49407]
    given = {"vision": (canary_picture(manifest["image"]["size"]), canary["vision"]), "text": (ids, canary["text"]["embedding"])}
    for tower, (value, encoded) in given.items():
        session = InferenceSession(folders[name] / f"onnx/{tower}_model.onnx")
        [answer] = session.run([manifest["graphs"][tower]["output"]], {manifest["graphs"][tower]["input"]: value})[0]
        expected = np.frombuffer(base64.b64decode(encoded), "<f4")
        assert np.abs(answer / np.linalg.norm(answer) - expected).max() < 1e-4


def test_branches_that_exist_for_training_only_are_joined(folders):
    graph = onnx.load(folders["tiny-clip"] / "onnx/vision_model.onnx").graph
    deployed = timm.create_model("fastvit_mclip_tiny", inference_mode=True)
    assert sum(node.op_type == "Conv" for node in graph.node) == sum(isinstance(part, torch.nn.Conv2d) for part in deployed.modules())


@pytest.mark.parametrize("text", TEXTS)
def test_the_tokenizer_file_gives_clips_ids(folders, text):
    ids = Tokenizer.from_file(str(folders["tiny-clip"] / "tokenizer.json")).encode(text).ids
    expected = open_clip.get_tokenizer("MobileCLIP2-S0")([text])[0].tolist()
    assert ids == expected[: len(ids)] and not any(expected[len(ids) :])


@pytest.mark.parametrize(("name", "size"), [("tiny-clip", 128), ("tiny-clip-vit", 64)])
@torch.no_grad()
def test_dense_embeddings_are_the_projected_places(folders, name, size):
    network, pixels = random_clip(CLIPS[name], int(SEEDS[name])), torch.rand(3, 3, size, size, generator=torch.manual_seed(1))
    session = InferenceSession(folders[name] / "onnx/vision_model.onnx")
    assert [output.name for output in session.get_outputs()] == ["image_embeds", "dense_embeds"]
    whole, dense = session.run(None, {"pixel_values": pixels.numpy()})
    described = json.loads((folders[name] / "mclip.json").read_text())["graphs"]["vision"]["dense"]
    assert dense.shape == (3, 48, described["rows"], described["columns"])
    assert np.abs(whole - network.encode_image(pixels).numpy()).max() < 1e-4
    features = network.visual.trunk.forward_features(pixels)
    head = network.visual.trunk.get_classifier()
    if name == "tiny-clip":
        assert np.allclose(dense.mean((2, 3)), whole, atol=1e-4)
        assert np.allclose(dense[:, :, 1, 0], head(features[:, :, 1, 0]).numpy(), atol=1e-4)
    else:
        assert np.allclose(dense[:, :, 1, 2], head(features[:, 1 + described["columns"] + 2]).numpy(), atol=1e-4)
    assert np.abs(dense[:, :, 0, 0] - dense[:, :, 1, 1]).max() > 0.01
