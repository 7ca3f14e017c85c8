"""What a decoder's layers see: seeded pictures, questions and the network's own answers."""

import torch

from . import qwen2_prompt
from .channel_scaling import LinearInputs
from .fastvlm_network import FastVlmNetwork
from .pictures import calibration_crops

QUESTIONS = (
    "Describe the image in one sentence.",
    "What colours are there?",
    "Is it day or night?",
    "Read the text aloud.",
    "How many people are there, and what are they doing?",
    "List everything that you see.",
)
SIZE = 256  # pixels; most tokens should be text
ANSWER = 24  # tokens


@torch.no_grad()
def linear_inputs(network: FastVlmNetwork, tokenizer, stop_ids, seed=2):
    """Name of a linear layer of the language model -> [rows, in]."""
    vlm = network.vlm
    image_id = tokenizer.token_to_id("<image>")
    crops = torch.from_numpy(calibration_crops(SIZE, count=len(QUESTIONS), seed=seed)).permute(0, 3, 1, 2) / 255
    conversations = []
    for question, crop in zip(QUESTIONS, crops):
        ids = qwen2_prompt.ids_of(tokenizer, question, (SIZE // vlm.patch) ** 2)
        embeds = network.prompt_embeds(ids, image_id, crop[None])
        answer = network.greedy(embeds, ANSWER, stop_ids)
        conversations.append(torch.cat([embeds, network.embeddings[torch.tensor(answer)][None]], 1))
    inputs = LinearInputs(network.language)
    for embeds in conversations:
        network.language(inputs_embeds=embeds, use_cache=False)
    return inputs.close()
