"""The chat format of Qwen2 with one picture first, as apple/ml-fastvlm's conversation `qwen_2` writes it."""

SYSTEM = "You are a helpful assistant."
CAPTION = "Describe the image in one sentence."


def text_of(question, system=SYSTEM, image="<image>"):
    """One <image>; callers repeat its id once per image token."""
    picture = f"{image}\n" if image else ""
    return (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{picture}{question}<|im_end|>\n<|im_start|>assistant\n"
    )


def ids_of(tokenizer, question, image_tokens, system=SYSTEM):
    """Ids of the whole prompt; `image_tokens` 0: no picture."""
    image_id = tokenizer.token_to_id("<image>")
    text = text_of(question, system, "<image>" if image_tokens else None)
    ids = []
    for token in tokenizer.encode(text, add_special_tokens=False).ids:
        ids += [image_id] * image_tokens if token == image_id else [token]
    return ids
