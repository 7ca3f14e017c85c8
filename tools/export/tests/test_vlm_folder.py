"""A tiny FastVLM: the folder that is exported, its proof, and checkpoints of both layouts."""

import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from canary_picture import canary_picture

from mclip_export import data_file, fastvlm_network, qwen2_tokenizer_file
from mclip_export.__main__ import main
from mclip_export.architectures import VLMS
from mclip_export.fastvlm_network import FastVlmNetwork, VisionEncoder
from mclip_export.onnx_session import make_session
from mclip_export.random_weights import draw_vision_weights, random_network
from mclip_export.verify import verify
from vlm_layouts import write_checkpoint

TINY = VLMS["tiny"]


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "tiny"
    main(["vlm", "--model", "tiny", "--random-weights", "0", "--out", str(folder)])
    return folder


def test_verify_proves_every_file(exported, tmp_path):
    main(["verify", str(exported), "--json", str(tmp_path / "figures.json")])
    assert "q8" in (tmp_path / "figures.json").read_text()


def test_verify_takes_files_in_any_order(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "tiny")
    manifest = json.loads((folder / "mclip.json").read_text())
    for graph in ("vision", "decoder"):
        files = manifest["graphs"][graph]["files"]
        manifest["graphs"][graph]["files"] = {dtype: files[dtype] for dtype in reversed(files)}
    (folder / "mclip.json").write_text(json.dumps(manifest))
    cosines = {(row.graph, row.dtype): row.cosine for row in verify(folder)}
    assert len(cosines) == sum(len(manifest["graphs"][graph]["files"]) for graph in ("vision", "decoder")) >= 8
    for (_, dtype), cosine in cosines.items():
        assert cosine == pytest.approx(1, abs=1e-6) if dtype == "fp32" else cosine < 0.999999


def test_decoders_too_large_for_a_graph_have_their_weights_beside_it(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(data_file, "LARGEST_GRAPH", 300_000)
    monkeypatch.setattr(fastvlm_network, "LARGEST_IN_MEMORY", 0)
    folder = tmp_path / "tiny"
    main(["vlm", "--model", "tiny", "--random-weights", "0", "--out", str(folder), "--dtype", "fp32,q8,q4"])
    files = json.loads((folder / "mclip.json").read_text())["graphs"]["decoder"]["files"]
    assert [dtype for dtype, entry in files.items() if "data" in entry] == ["fp32"]
    assert files["fp32"]["bytes"] < 50_000 < files["fp32"]["data"]["bytes"]
    assert files["fp32"]["data"]["file"] == "decoder_model_merged.onnx_data"
    assert files["q8"] == json.loads((exported / "mclip.json").read_text())["graphs"]["decoder"]["files"]["q8"]
    main(["verify", str(folder)])
    (folder / "decoder_model_merged.onnx_data").write_bytes(bytes(files["fp32"]["data"]["bytes"]))
    with pytest.raises(SystemExit, match="onnx_data: another SHA-256"):
        main(["verify", str(folder)])


def test_verify_notices_other_weights(exported, tmp_path):
    other = tmp_path / "tiny"
    main(["vlm", "--model", "tiny", "--random-weights", "1", "--out", str(other), "--dtype", "fp32"])
    manifest = json.loads((other / "mclip.json").read_text())
    manifest["source"]["randomWeights"] = 0
    (other / "mclip.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit, match="vision fp32 differs from PyTorch"):
        main(["verify", str(other)])


def test_the_canary_is_what_the_files_answer(exported):
    manifest = json.loads((exported / "mclip.json").read_text())
    canary, size = manifest["canary"], manifest["canary"]["size"]
    [features] = make_session(exported / "vision_encoder.onnx").run(None, {"pixel_values": canary_picture(size)})
    tokenizer = qwen2_tokenizer_file.load((exported / "tokenizer.json").read_text())
    assert canary["question"] == manifest["prompt"]["caption"] == "Describe the image in one sentence."
    before, after = (
        tokenizer.encode(text, add_special_tokens=False).ids
        for text in (
            f"<|im_start|>system\n{manifest['prompt']['system']}<|im_end|>\n<|im_start|>user\n",
            f"\n{canary['question']}<|im_end|>\n<|im_start|>assistant\n",
        )
    )
    assert canary["tokens"] == len(before) + features.shape[1] + len(after)
    embed = make_session(exported / "embed_tokens_fp16.onnx")
    rows = [embed.run(None, {"input_ids": np.array([ids], np.int64)})[0] for ids in (before, after)]
    embeds = np.concatenate([rows[0], features, rows[1]], 1)
    decoder = make_session(exported / "decoder_model_merged.onnx")
    empty = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in decoder.get_inputs()[2:]}
    feeds = {"inputs_embeds": embeds, "attention_mask": np.ones(embeds.shape[:2], np.int64), **empty}
    logits = decoder.run(["logits"], feeds)[0][0, 0]
    assert np.argsort(-logits, kind="stable")[: len(canary["best"])].tolist() == canary["best"]
    assert np.abs(logits[canary["best"]] - canary["logits"]).max() < 1e-3


def test_branches_that_exist_for_training_only_are_joined(exported):
    graph = onnx.load(exported / "vision_encoder.onnx").graph
    deployed = VisionEncoder(TINY, deployed=True)
    assert sum(node.op_type == "Conv" for node in graph.node) == sum(isinstance(part, torch.nn.Conv2d) for part in deployed.modules())


def test_the_hubs_configuration_is_there(exported):
    config = json.loads((exported / "config.json").read_text())
    tokenizer = qwen2_tokenizer_file.load((exported / "tokenizer.json").read_text())
    assert config["image_token_index"] == tokenizer.token_to_id("<image>") == 511
    assert json.loads((exported / "preprocessor_config.json").read_text())["crop_size"]["height"] == TINY.size


def random_branches(seed):
    """With the branches that exist for training only, in evaluation mode."""
    torch.manual_seed(seed)
    with torch.no_grad():
        vision = VisionEncoder(TINY)
        draw_vision_weights(vision)
        for name, buffer in vision.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(std=0.2)
    return vision.eval()


def checkpoint(folder, layout):
    """Writes a random network; returns it."""
    network = random_network(TINY, 5, text_tokens=511)
    vision = random_branches(6) if layout == "apple" else network.vision
    network = FastVlmNetwork(TINY, vision, network.language)
    write_checkpoint(network, qwen2_tokenizer_file.tiny_tokenizer(), layout, folder)
    return network


@pytest.mark.parametrize("layout", ["apple", "transformers"])
def test_a_checkpoint_gives_the_outputs_of_its_network(tmp_path, layout):
    network = checkpoint(tmp_path / "checkpoint", layout)
    out = tmp_path / "out"
    options = ["--checkpoint", str(tmp_path / "checkpoint"), "--out", str(out), "--dtype", "fp32", "--resolution", "192"]
    main(["vlm", "--model", "tiny", *options])
    manifest = json.loads((out / "mclip.json").read_text())
    assert manifest["image"]["sizes"] == [128, 192]
    assert manifest["licence"]["id"] == "apple-amlr"
    pixels = torch.rand(2, 3, 192, 192)
    with torch.no_grad():
        expected = network.vision(pixels).numpy()
        embeds = network.embeddings[torch.tensor([[3, 1, 4, 1, 5]])]
        logits = network.language(inputs_embeds=embeds).logits[:, -1:].numpy()
    features = make_session(out / "vision_encoder.onnx").run(None, {"pixel_values": pixels.numpy()})[0]
    assert np.abs(features - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(features[0] - features[1]).max() > 0.01 * np.abs(expected).max()
    decoder = make_session(out / "decoder_model_merged.onnx")
    empty = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in decoder.get_inputs()[2:]}
    feeds = {"inputs_embeds": embeds.numpy(), "attention_mask": np.ones((1, 5), np.int64), **empty}
    assert np.abs(decoder.run(["logits"], feeds)[0] - logits).max() < 1e-4 * np.abs(logits).max()


def test_a_checkpoint_that_lacks_tensors_or_is_of_another_size_is_refused(tmp_path):
    checkpoint(tmp_path / "checkpoint", "apple")
    arguments = ["--checkpoint", str(tmp_path / "checkpoint"), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="64 wide with 2 layers; fastvlm-0.5b is 896 wide"):
        main(["vlm", "--model", "fastvlm-0.5b", *arguments])
    (tmp_path / "checkpoint/model-00002-of-00002.safetensors").unlink()
    with pytest.raises(SystemExit, match=r"tensors are missing \("):
        main(["vlm", "--model", "tiny", *arguments])
    (tmp_path / "checkpoint/model-00001-of-00002.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(SystemExit, match="cannot be read as weights"):
        main(["vlm", "--model", "tiny", *arguments])
    assert not (tmp_path / "out").exists()


def test_a_resolution_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="multiple of 64"):
        main(["vlm", "--model", "tiny", "--random-weights", "0", "--resolution", "200", "--out", str(tmp_path / "out")])
    assert list(tmp_path.iterdir()) == []
