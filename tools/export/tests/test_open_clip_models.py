"""Models of open_clip by their names there: exported and proven at a tiny size, and clear words for those that mclip cannot feed."""

import json

import open_clip
import pytest

from mclip_export import open_clip_models
from mclip_export.__main__ import main
from mclip_export.clip_models import clip_model
from mclip_export.clip_network import empty_network
from mclip_export.verify import verify

OPENAI = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}


@pytest.mark.parametrize(("name", "seed"), [("tiny-open-vit", "0"), ("tiny-open-resnet", "0"), ("tiny-open-convnext", "3")])
def test_a_model_of_open_clip_passes_its_proof(name, seed, tmp_path):
    main(["clip", "--model", name, "--random-weights", seed, "--out", str(tmp_path / "out")])
    manifest = json.loads((tmp_path / "out/mclip.json").read_text())
    assert manifest["image"] == {"size": 64, "fit": "crop", "interpolation": "bicubic", **OPENAI}
    rows = verify(tmp_path / "out")
    assert len(rows) == 6 and all(row.difference is not None for row in rows)


def test_another_activation_is_another_network():
    quick, plain = (clip_model("ViT-B-32", tag) for tag in ("openai", "laion2b_s34b_b79k"))
    assert quick.quick_gelu and not plain.quick_gelu
    assert clip_model("rn50", "openai").name == "RN50"
    kinds = {type(module).__name__ for module in empty_network(clip_model("tiny-open-resnet")).transformer.modules()}
    assert "QuickGELU" in kinds and "GELU" not in kinds


def test_pictures_are_squashed_where_the_weights_were_trained_so():
    config = clip_model("ViT-H-14-378", "dfn5b").preprocessing()
    assert (config["size"], config["fit"], config["interpolation"]) == (378, "squash", "bicubic")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ViT-B-16-SigLIP"], "ViT-B-16-SigLIP cannot be exported.*the tokenizer timm/ViT-B-16-SigLIP, which mclip does not have"),
        (["coca_ViT-B-32"], "CoCa"),
        (["xlm-roberta-base-ViT-B-32"], "the tokenizer xlm-roberta-base"),
        (["PE-Core-B-16"], "its texts have 32 of 49,408 tokens, where mclip gives 77"),
        (["ViT-B-32", "--tag", "laion9b"], "Unknown tag 'laion9b' of ViT-B-32. Known: openai, "),
        (["MobileCLIP2-S0", "--tag", "openai"], "--tag is for models of open_clip"),
    ],
)
def test_what_cannot_be_fed_is_refused(tmp_path, arguments, message):
    with pytest.raises(SystemExit, match=message):
        main(["clip", "--model", *arguments, "--random-weights", "0", "--out", str(tmp_path / "out")])
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_whose_recipe_is_open_needs_its_tag(tmp_path):
    arguments = ["clip", "--model", "ViT-B-32", "--checkpoint", str(tmp_path / "weights.pt"), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="fed in several ways; say by --tag whose yours are: openai, "):
        main(arguments)
    with pytest.raises(SystemExit, match="There is no checkpoint"):
        main([*arguments, "--tag", "openai"])


def test_every_name_of_open_clip_is_taken_or_refused_with_a_reason():
    fed = [name for name in open_clip.list_models() if open_clip_models.obstacle(name) is None]
    assert len(fed) > 80 and {"ViT-B-32", "ViT-L-14", "RN50", "convnext_base_w", "EVA02-B-16"} <= set(fed)
    assert not any("siglip" in name.lower() for name in fed)
