"""nano-vlm through its files and ONNX Runtime, as the SDK runs it: rows of the table, image features spliced in, greedy."""
import numpy as np
import onnxruntime as ort

from vlm.decoder import HEAD_DIM, HIDDEN, KV_HEADS, LAYERS
from vlm.tokenizer import OUT


def session(path, threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class OnnxVlm:
    def __init__(self, folder, dtype, tokenizer, threads=2):
        self.vision = session(folder / f"vision_encoder.{dtype}.onnx", threads)
        self.decoder = session(folder / f"decoder_model_merged.{dtype}.onnx", threads)
        self.table = np.fromfile(OUT / "embed_tokens.fp16.bin", "<f2").reshape(-1, HIDDEN)
        self.tokenizer = tokenizer
        self.image = tokenizer.token_to_id("<image>")
        self.stop = {tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")}
        self.outputs = [o.name for o in self.decoder.get_outputs()]

    def features(self, pixels):
        """[n,3,64,64] -> [n,16,HIDDEN]"""
        return self.vision.run(["image_features"], {"pixel_values": pixels})[0]

    def run(self, embedded, mask, past):
        feeds = {"inputs_embeds": embedded, "attention_mask": mask}
        for name, tensor in past.items():
            feeds[name.replace("present", "past_key_values")] = tensor
        outputs = dict(zip(self.outputs, self.decoder.run(None, feeds)))
        return outputs.pop("logits")[:, 0], outputs

    def generate(self, features, prompts, limit=24):
        """Greedy ids for a batch: features [n,16,HIDDEN], prompts of any lengths (padded on the left)."""
        n, longest = len(prompts), max(map(len, prompts))
        embedded, mask = np.zeros((n, longest, HIDDEN), np.float32), np.zeros((n, longest), np.int64)
        for i, ids in enumerate(prompts):
            ids = np.asarray(ids)
            rows = self.table[ids].astype(np.float32)
            rows[ids == self.image] = features[i]
            embedded[i, longest - len(ids):], mask[i, longest - len(ids):] = rows, 1
        past = {f"present.{i}.{kind}": np.zeros((n, KV_HEADS, 0, HEAD_DIM), np.float32) for i in range(LAYERS) for kind in ("key", "value")}
        out, done = [[] for _ in range(n)], np.zeros(n, bool)
        logits, past = self.run(embedded, mask, past)
        for step in range(limit):
            token = logits.argmax(-1)
            done |= np.isin(token, list(self.stop))
            if done.all():
                break
            for row, t, d in zip(out, token.tolist(), done.tolist()):
                if not d:
                    row.append(t)
            if step == limit - 1:
                break
            mask = np.concatenate([mask, np.ones((n, 1), np.int64)], 1)
            logits, past = self.run(self.table[token][:, None].astype(np.float32), mask, past)
        return out

    def answers(self, features, prompts, limit=24, batch=64):
        """Texts, one for each pair of features and prompt."""
        out = []
        for i in range(0, len(prompts), batch):
            out += self.generate(features[i:i + batch], prompts[i:i + batch], limit)
        return [self.tokenizer.decode(ids) for ids in out]

    def answer(self, pixels, prompt):
        return self.answers(self.features(pixels), [prompt])[0]
