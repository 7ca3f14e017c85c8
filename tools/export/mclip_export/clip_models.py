"""CLIP models by name. Sizes and preprocessing come from open_clip's own tables, never from a family's habit."""

from dataclasses import dataclass

from . import open_clip_models
from .errors import ExportError

FITS = {"shortest": "crop", "squash": "squash"}  # open_clip's word -> the manifest's


@dataclass(frozen=True)
class ClipModel:
    name: str  # as published
    architecture: str  # in open_clip
    tag: str | None  # of open_clip's pretrained table, for mean, std and interpolation
    convolutional_text: bool = False  # MobileCLIP-S0's text tower, which open_clip does not have
    described_by: str | None = None  # whose preprocessing, where open_clip has no entry
    released: bool = True  # False: a small stand-in for tests
    apple: bool = True

    @property
    def folder(self):
        return self.name.lower()

    def preprocessing(self):
        """size, fit, mean, std, interpolation"""
        import open_clip

        from . import tiny_clips  # noqa: F401  (makes them known to open_clip)

        table = open_clip_models.recipe(self.described_by or self.architecture, self.tag)
        if table["resize_mode"] not in FITS:
            raise ExportError(f"{self.name} resizes by '{table['resize_mode']}', which the manifest has no word for.")
        size = open_clip.get_model_config(self.architecture)["vision_cfg"].get("image_size", 224)
        return {"size": size, "fit": FITS[table["resize_mode"]], **{key: table[key] for key in ("mean", "std", "interpolation")}}

    @property
    def quick_gelu(self):
        return not self.apple and open_clip_models.recipe(self.architecture, self.tag)["quick_gelu"]


CLIPS = {
    model.name: model
    for model in (
        # the image tower is that of MobileCLIP2-S0
        ClipModel("MobileCLIP-S0", "MobileCLIP2-S0", "datacompdr", convolutional_text=True, described_by="MobileCLIP-S1"),
        ClipModel("MobileCLIP-S1", "MobileCLIP-S1", "datacompdr"),
        ClipModel("MobileCLIP-S2", "MobileCLIP-S2", "datacompdr"),
        ClipModel("MobileCLIP-B", "MobileCLIP-B", "datacompdr"),
        ClipModel("MobileCLIP-B-LT", "MobileCLIP-B", "datacompdr_lt"),
        *(ClipModel(f"MobileCLIP2-{size}", f"MobileCLIP2-{size}", "dfndr2b") for size in ("S0", "S2", "B", "S3", "S4", "L-14")),
        ClipModel("tiny-clip", "tiny-clip", "datacompdr", described_by="MobileCLIP-S1", released=False),
        ClipModel("tiny-clip-s0", "tiny-clip", "datacompdr", True, described_by="MobileCLIP-S1", released=False),
        ClipModel("tiny-clip-vit", "tiny-clip-vit", "datacompdr", described_by="MobileCLIP-B", released=False),
    )
}


def clip_model(name: str, tag: str | None = None, of_checkpoint=False):
    """Apple's by their published names, others by open_clip's. `tag`: whose weights, for those of open_clip."""
    found = next((model for model in CLIPS.values() if name.lower() == model.folder), None)
    if found is None and (known := open_clip_models.names().get(name.lower())):
        obstacle = open_clip_models.obstacle(known)
        if obstacle:
            raise ExportError(f"{known} cannot be exported for mclip: {obstacle}.")
        return ClipModel(known, known, open_clip_models.checked_tag(known, tag, of_checkpoint), apple=False)
    if found is None:
        raise ExportError(f"Unknown CLIP model '{name}'. Known: {', '.join(CLIPS)}, and open_clip's names, such as ViT-B-32.")
    if tag is not None and tag != found.tag:
        raise ExportError(f"--tag is for models of open_clip; {found.name} has one recipe.")
    return found
