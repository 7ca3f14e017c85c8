"""The published layouts of checkpoints, written here from a random network with all its branches, load as that network."""

import re
import subprocess
import sys

import open_clip
import pytest
import torch
from onnxruntime import InferenceSession
from safetensors.torch import save_file
from torch import nn

from mclip_export.__main__ import main
from mclip_export.clip_checkpoint import load_clip_checkpoint
from mclip_export.clip_models import CLIPS
from mclip_export.clip_random_weights import unmerged_random_clip
from mclip_export.errors import ExportError

PIXELS = torch.rand(2, 3, 128, 128, generator=torch.manual_seed(5))
IDS = open_clip.get_tokenizer("MobileCLIP2-S0")(["a photo of a tram.", "", "🚲 two bicycles"])


@pytest.fixture(scope="module")
def networks():
    """One per tiny model; Apple's image heads have no bias."""
    made = {name: unmerged_random_clip(CLIPS[name], 3) for name in ("tiny-clip", "tiny-clip-vit", "tiny-clip-s0")}
    for network in made.values():
        nn.init.zeros_(network.visual.trunk.get_classifier().bias)
    return made


@torch.no_grad()
def outputs(network, pixels=PIXELS):
    size = network.visual.image_size[0]
    return network.encode_image(pixels[..., :size, :size]), network.encode_text(IDS)


def assert_same(network, other):
    for ours, theirs in zip(outputs(network), outputs(other), strict=True):
        assert torch.allclose(ours, theirs, atol=2e-5 * theirs.abs().max().item() + 1e-5)
        assert (theirs[0] - theirs[1]).abs().max() > 0.01  # it says something


def apple_fastvit(name):
    """timm's name -> Apple's. A stage is one entry of `network`, after one for the downsampling before it."""
    places = {"stages.0.blocks": "network.0", "stages.1.downsample.proj": "network.1.proj", "stages.1.blocks": "network.2",
              "stages.2.downsample.proj": "network.3.proj", "stages.2.blocks": "network.4", "stages.3.downsample.proj": "network.5.proj",
              "stages.3.pos_emb.pos_enc": "network.6.pe", "stages.3.blocks": "network.7"}  # fmt: skip
    for ours, theirs in places.items():
        name = name.replace(ours, theirs)
    for ours, theirs in (("stem", "patch_embed"), ("conv_kxk", "rbr_conv"), ("conv_scale", "rbr_scale"), ("identity", "rbr_skip"),
                         ("final_conv", "conv_exp"), ("large_conv", "lkb_origin"), ("mlp", "convffn"), ("se.fc1", "se.reduce"),
                         ("se.fc2", "se.expand"), (".gamma", "")):  # fmt: skip
        name = name.replace(ours, theirs)
    return name


def apple_vit(name):
    for ours, theirs in (("patch_embed.backbone.", "patch_emb."), ("norm1", "pre_norm_mha.0"), ("norm2", "pre_norm_ffn.0"),
                         ("mlp.fc1", "pre_norm_ffn.1"), ("mlp.fc2", "pre_norm_ffn.4"), ("attn.qkv.", "pre_norm_mha.1.qkv_proj."),
                         ("attn.proj.", "pre_norm_mha.1.out_proj."), ("blocks.", "transformer.")):  # fmt: skip
        name = name.replace(ours, theirs)
    name = re.sub(r"^(patch_emb\.\d)\.conv", r"\1.block.conv", name)
    name = re.sub(r"^(patch_emb\.\d)\.bn", r"\1.block.norm", name)
    return re.sub(r"^norm\.", "post_transformer_norm.", name)


def apple_images(network, rename, head):
    state = {}
    for name, value in network.visual.trunk.state_dict().items():
        if name.startswith("head."):
            if name.endswith("weight"):
                state[f"image_encoder.model.{head}.proj"] = value.T
        elif name == "pos_embed":
            state["image_encoder.model.pos_embed.pos_embed.pos_embed"] = value[None]
        else:
            state[f"image_encoder.model.{rename(name)}"] = value
    return state


def apple_text(network):
    state = {}
    for name, value in network.text.state_dict().items():
        if name == "positional_embedding":
            name, value = "positional_embedding.pos_embed.pos_embed", value[None, None]
        for ours, theirs in (("resblocks.", ""), ("text_projection", "projection_layer"), ("token_embedding", "embedding_layer"),
                             ("ln_final", "final_layer_norm"), ("ln_1", "pre_norm_mha.0"), ("ln_2", "pre_norm_ffn.0"),
                             ("mlp.c_fc", "pre_norm_ffn.1"), ("mlp.c_proj", "pre_norm_ffn.4"),
                             ("attn.in_proj_", "pre_norm_mha.1.qkv_proj."), ("attn.out_proj", "pre_norm_mha.1.out_proj")):  # fmt: skip
            name = name.replace(ours, theirs)
        if "attn_mask" not in name:
            state[f"text_encoder.{name}"] = value
    return state


class Branches(nn.Module):
    """The token mixer of MobileCLIP-S0's text tower with all its branches, as it is trained."""

    def __init__(self, width):
        super().__init__()
        self.layer_scale = nn.Parameter(torch.rand(width, 1, 1) + 0.2)
        self.norm = nn.ModuleDict({"rbr_skip": nn.BatchNorm2d(width)})
        conv = nn.Conv2d(width, width, (1, 11), padding=(0, 5), groups=width, bias=False)
        branch = nn.ModuleDict({"conv": conv, "bn": nn.BatchNorm2d(width)})
        self.mixer = nn.ModuleDict({"rbr_skip": nn.BatchNorm2d(width), "rbr_conv": nn.ModuleList([branch])})
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.uniform_(part.running_var, 0.5, 1.5)
                nn.init.normal_(part.bias, std=0.3)
                nn.init.normal_(part.running_mean, std=0.3)

    def forward(self, x):  # [batch, width, tokens], as the merged one takes it
        x = x[:, :, None]
        branch = self.mixer["rbr_conv"][0]
        mixed = self.mixer["rbr_skip"](x) + branch["bn"](branch["conv"](x))
        return (x + self.layer_scale * (mixed - self.norm["rbr_skip"](x)))[:, :, 0]


def apple_convolutional_text(network):
    """Gives the network's text tower branches, and returns it in Apple's names."""
    text, state = network.text, {}
    for index, block in enumerate(text.blocks):
        prefix = f"text_encoder.transformer.{index}."
        if hasattr(block, "mixer"):
            block.mixer = Branches(block.conv.in_channels).eval()
            state |= {f"{prefix}token_mixer.{name}": value for name, value in block.mixer.state_dict().items()}
            parts = {"convffn.conv.conv": block.conv, "convffn.conv.bn": block.norm,
                     "convffn.fc1": block.expand, "convffn.fc2": block.shrink}  # fmt: skip
            for theirs, part in parts.items():
                for name, value in part.state_dict().items():
                    state[f"{prefix}{theirs}.{name}"] = value[:, :, None] if value.ndim == 3 else value
            state[f"{prefix}layer_scale"] = block.gamma[..., None]
            continue
        parts = {"pre_norm_mha.0": block.norm1, "pre_norm_ffn.0": block.norm2, "pre_norm_ffn.1": block.linear1,
                 "pre_norm_ffn.4": block.linear2, "pre_norm_mha.1.out_proj": block.self_attn.out_proj}  # fmt: skip
        for theirs, part in parts.items():
            state |= {f"{prefix}{theirs}.{name}": value for name, value in part.state_dict().items()}
        state[f"{prefix}pre_norm_mha.1.qkv_proj.weight"] = block.self_attn.in_proj_weight
        state[f"{prefix}pre_norm_mha.1.qkv_proj.bias"] = block.self_attn.in_proj_bias
    state["text_encoder.embedding_layer.weight"] = text.token_embedding.weight
    state["text_encoder.positional_embedding.pos_embed.pos_embed"] = text.positional_embedding[None, None]
    state["text_encoder.projection_layer"] = text.text_projection
    state |= {f"text_encoder.final_layer_norm.{name}": value for name, value in text.ln_final.state_dict().items()}
    return state


def plain(state):
    return {name: value.detach().clone().contiguous() for name, value in state.items()}


def apple_state(name, network):
    images = apple_images(network, apple_vit, "classifier") if name == "tiny-clip-vit" else apple_images(network, apple_fastvit, "head")
    text = apple_convolutional_text(network) if name == "tiny-clip-s0" else apple_text(network)
    return plain({**images, **text, "logit_scale": network.logit_scale})


@pytest.mark.parametrize("name", ["tiny-clip", "tiny-clip-vit", "tiny-clip-s0"])
def test_apples_layout(networks, tmp_path, name):
    torch.save(apple_state(name, networks[name]), tmp_path / "apple.pt")
    loaded = load_clip_checkpoint(CLIPS[name], tmp_path / "apple.pt")
    assert_same(loaded, networks[name])
    assert any("reparam_conv" in key for key in loaded.state_dict()) or name == "tiny-clip-vit"


@pytest.mark.parametrize("name", ["tiny-clip", "tiny-clip-vit"])
def test_open_clips_layout(networks, tmp_path, name):
    state = plain(networks[name].state_dict())
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "train.pt")
    torch.save(state, tmp_path / "plain.pt")
    save_file(state, tmp_path / "model.safetensors")
    for file in ("train.pt", "plain.pt", "model.safetensors"):
        assert_same(load_clip_checkpoint(CLIPS[name], tmp_path / file), networks[name])


def test_merged_branches_load_too(networks, tmp_path):
    torch.save(plain(networks["tiny-clip"].state_dict()), tmp_path / "plain.pt")
    merged = load_clip_checkpoint(CLIPS["tiny-clip"], tmp_path / "plain.pt")
    torch.save(plain(merged.state_dict()), tmp_path / "merged.pt")
    assert_same(load_clip_checkpoint(CLIPS["tiny-clip"], tmp_path / "merged.pt"), networks["tiny-clip"])


def test_a_checkpoint_exports_as_the_network_it_was(networks, tmp_path):
    torch.save(apple_state("tiny-clip", networks["tiny-clip"]), tmp_path / "apple.pt")
    main(["clip", "--model", "tiny-clip", "--checkpoint", str(tmp_path / "apple.pt"), "--out", str(tmp_path / "out"), "--dtype", "fp32"])
    images, texts = outputs(networks["tiny-clip"])
    [vision] = (tmp_path / "out").rglob("vision_model.onnx")
    [text] = (tmp_path / "out").rglob("text_model.onnx")
    got = InferenceSession(vision).run(None, {"pixel_values": PIXELS.numpy()})[0]
    assert abs(got - images.numpy()).max() < 1e-4 * images.abs().max()
    assert abs(InferenceSession(text).run(None, {"input_ids": IDS.numpy()})[0] - texts.numpy()).max() < 1e-4 * texts.abs().max()


def refusal(state, tmp_path, name="tiny-clip"):
    torch.save(state, tmp_path / "wrong.pt")
    with pytest.raises(ExportError) as raised:
        load_clip_checkpoint(CLIPS[name], tmp_path / "wrong.pt")
    return str(raised.value)


def test_missing_weights_are_listed(networks, tmp_path):
    state = plain(networks["tiny-clip"].state_dict())
    gone = [key for key in state if key.startswith("text.transformer.resblocks.1.")]
    said = refusal({key: value for key, value in state.items() if key not in gone}, tmp_path)
    assert f"{len(gone)} missing: text.transformer.resblocks.1.attn.in_proj_bias, " in said and f"and {len(gone) - 4} more" in said


def test_a_missing_branch_of_the_convolutional_text_tower_is_named(networks, tmp_path):
    state = apple_state("tiny-clip-s0", networks["tiny-clip-s0"])
    del state["text_encoder.transformer.0.token_mixer.mixer.rbr_conv.0.bn.weight"]
    assert "2 missing: text.blocks.0.mixer.bias, text.blocks.0.mixer.weight" in refusal(state, tmp_path, "tiny-clip-s0")


def test_the_checkpoint_of_another_model_is_refused(networks, tmp_path):
    said = refusal(plain(networks["tiny-clip-vit"].state_dict()), tmp_path)
    assert "no checkpoint of tiny-clip" in said and "missing: visual.trunk." in said and "unknown: visual.trunk." in said


def test_another_width_is_named(networks, tmp_path):
    state = plain(networks["tiny-clip"].state_dict())
    state["text.text_projection"] = state["text.text_projection"][:, :40].clone()
    assert "1 of another shape: text.text_projection [64, 40] instead of [64, 48]" in refusal(state, tmp_path)


@pytest.mark.parametrize("content", [b"", b"this is no checkpoint", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_damaged_file_is_refused(tmp_path, content, suffix):
    (tmp_path / f"x{suffix}").write_bytes(content)
    with pytest.raises(ExportError, match="cannot be read"):
        load_clip_checkpoint(CLIPS["tiny-clip"], tmp_path / f"x{suffix}")


def test_no_weights_are_refused(tmp_path):
    torch.save({"state_dict": {"a": 1}}, tmp_path / "x.pt")
    with pytest.raises(ExportError, match="holds no weights"):
        load_clip_checkpoint(CLIPS["tiny-clip"], tmp_path / "x.pt")


def test_files_that_cannot_be_written_leave_nothing_and_an_exit_code(tmp_path):
    """A limit of file size stands in for a full disk: the operating system refuses, wherever in the export that is."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)); "
        "from mclip_export.__main__ import main; main(sys.argv[1:])"
    )
    arguments = ["clip", "--model", "tiny-clip", "--random-weights", "0", "--dtype", "fp32", "--out", str(tmp_path / "model")]
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.search(r"error: Writing .*model failed and nothing was left there: .*File too large", done.stderr)
    assert list(tmp_path.iterdir()) == []
