"""FastVLM in PyTorch: the vision trunk with its projector, and the language model."""

import tempfile

import timm
import timm.utils
import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from .architectures import FastVlm

LARGEST_IN_MEMORY = 4e9  # bytes of a language model's weights


class VisionEncoder(nn.Module):
    """pixel values [batch, 3, height, width] -> image features [batch, height / 64 * width / 64, hidden]."""

    def __init__(self, vlm: FastVlm, deployed=False):
        """`deployed`: without the branches that exist for training only."""
        super().__init__()
        self.trunk = timm.create_model("fastvit_mci3", num_classes=0, inference_mode=deployed, **vlm.vision_arguments)
        hidden, self.flattened, self.name = vlm.decoder.hidden, vlm.flattened, vlm.name
        self.projector = nn.Sequential(nn.Linear(self.trunk.num_features, hidden), nn.GELU(), nn.Linear(hidden, hidden))

    def trunk_features(self, pixel_values):
        """[batch, tokens, channels], row by row from the upper left."""
        return self.trunk.forward_features(pixel_values).flatten(2).transpose(1, 2)

    def forward(self, pixel_values):
        return self.projector(self.trunk_features(pixel_values))

    def reparameterize(self):
        """Joins the branches that exist for training only."""
        self.trunk = timm.utils.reparameterize_model(self.trunk)
        return self.eval()


def mapped(tensor):
    """Room for a tensor in a file that is gone with it: the system keeps in memory what it has room for."""
    with tempfile.NamedTemporaryFile() as file:
        return torch.from_file(file.name, shared=True, size=tensor.numel(), dtype=tensor.dtype).view(tensor.shape)


def qwen2_config(vlm: FastVlm):
    decoder = vlm.decoder
    return Qwen2Config(
        hidden_size=decoder.hidden, num_hidden_layers=decoder.layers, num_attention_heads=decoder.heads,
        num_key_value_heads=decoder.kv_heads, intermediate_size=decoder.intermediate, vocab_size=decoder.rows,
        max_position_embeddings=decoder.context, rms_norm_eps=decoder.epsilon, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": decoder.theta},
    )  # fmt: skip


def language_model(vlm: FastVlm):
    """Qwen2 with uninitialised weights: drawing 494 million numbers that are replaced at once takes a minute."""
    with torch.device("meta"):
        model = Qwen2ForCausalLM(qwen2_config(vlm))
    large = sum(parameter.nbytes for parameter in model.parameters()) > LARGEST_IN_MEMORY
    model = model._apply(mapped if large else lambda tensor: torch.empty_like(tensor, device="cpu"))
    model.model.rotary_emb.__init__(model.config)  # its buffer is computed, not loaded
    return model.eval()


class FastVlmNetwork:
    """Both halves, in evaluation mode and re-parameterised."""

    def __init__(self, vlm: FastVlm, vision: VisionEncoder, language):
        self.vlm, self.vision, self.language = vlm, vision, language

    def decoder_weights(self):
        """name -> tensor, named as in transformers without the prefix `model.`; matrices are [out, in]."""
        return {name.removeprefix("model."): tensor for name, tensor in self.language.state_dict().items()}

    @property
    def embeddings(self):
        """[rows, hidden]"""
        return self.language.model.embed_tokens.weight

    @torch.no_grad()
    def prompt_embeds(self, ids, image_id, pixel_values=None):
        """[1, length, hidden]: rows of the table, with the image's features where `image_id` stands."""
        ids = torch.as_tensor(ids)
        embeds = self.embeddings[ids].clone()
        if pixel_values is not None:
            embeds[ids == image_id] = self.vision(pixel_values).reshape(-1, embeds.shape[1])
        return embeds[None]

    @torch.no_grad()
    def greedy(self, embeds, count, stop_ids):
        """Ids that follow, by transformers' `generate`; a stop token is the last one if there is one."""
        mask = torch.ones(embeds.shape[:2], dtype=torch.long)
        ids = self.language.generate(
            inputs_embeds=embeds, attention_mask=mask, max_new_tokens=count, do_sample=False,
            eos_token_id=list(stop_ids), pad_token_id=stop_ids[0],
        )  # fmt: skip
        return ids[0].tolist()
