"""Breaks the exporter in one place at a time and runs the tests that should notice: a test that stays green proves nothing.

    python mutate.py [WORD ...]        those whose description has one of the words; all otherwise
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CLIP, VLM, FILES = "tests/test_clip_folder.py", "tests/test_vlm_folder.py", "tests/test_storage.py"
# what is broken; module; its text; what stands there instead; tests
MUTATIONS = [
    ("wrong mean in the manifest", "export_clip", '"mean": list(config["mean"])', '"mean": [0.5, 0.5, 0.5]', CLIP),
    ("bicubic for everything", "clip_models", '("mean", "std", "interpolation")}}',
     '("mean", "std", "interpolation")}, "interpolation": "bicubic"}', "tests/test_clip_models.py"),
    ("pixels of plans and canaries as BGR", "clip_inputs", "torch.from_numpy(images)", "torch.from_numpy(images[..., ::-1].copy())", CLIP),
    ("a CLIP's vision graph takes BGR", "clip_network", "encode_image(pixel_values)", "encode_image(pixel_values.flip(1))",
     "tests/test_clip_checkpoint.py"),
    ("a FastVLM's vision graph takes BGR", "vision_graph", "    vision.eval()",
     "    forward = vision.forward\n    vision.forward = lambda pixels: forward(pixels.flip(1))\n    vision.eval()", VLM),
    ("another pad id", "export_clip", '"padId": 0', '"padId": 49407', CLIP),
    ("a transposed square weight", "qwen2_graph", "        bias = np.concatenate(",
     '        weight = weight.T if names[0].endswith("o_proj") else weight\n        bias = np.concatenate(', VLM),
    ("4-bit scales off by one block", "linear_forms", "graph.constant(scales),\n            K=",
     "graph.constant(np.roll(scales, 1, -1)),\n            K=", "tests/test_quantisation.py"),
    ("grouped w8 scales off by one group", "weight_storage", 'self.constant(f"{name}/scales", scales)',
     'self.constant(f"{name}/scales", scales if values.shape == shape else np.roll(scales, 1, 1))', FILES),
    ("scales of embedding rows off by one row", "embedding_table", "scales[:, 0], values", "np.roll(scales[:, 0], 1), values",
     "tests/test_quantisation.py"),
    ("a CLIP that is not re-parameterised", "clip_network", "timm.utils.reparameterize_model(network.visual)", "network.visual", CLIP),
    ("a FastVLM that is not re-parameterised", "fastvlm_network", "timm.utils.reparameterize_model(self.trunk)", "self.trunk", VLM),
    ("the canary of another text", "clip_inputs", "([CANARY_TEXT])", '(["a photo of a dog."])', CLIP),
    ("the canary of another picture", "pictures", "x * y * 2) >> 3", "x * y * 2) >> 2", CLIP),
    ("the canary of another position", "export_vlm", ".logits[0, -1]", ".logits[0, -2]", VLM),
    ("another base of rotations", "qwen2_graph", "config.theta **", "1e4 **", VLM),
    ("another epsilon", "qwen2_graph", "outputs=(0, 3), epsilon=self.config.epsilon", "outputs=(0, 3), epsilon=1e-2", VLM),
    ("integers around 127", "linear_forms", "np.full(len(weight), 128)", "np.full(len(weight), 127)", "tests/test_quantisation.py"),
    ("plans look at the first rows only", "storage_plan", ".reshape(len(a), -1).min(1)", "[: len(a)]", FILES),
]  # fmt: skip


def notices(module, text, instead, tests):
    """Whether the tests fail on the broken copy."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "export"
        shutil.copytree(HERE, copy, ignore=shutil.ignore_patterns("out", "results", "__pycache__"))
        file = copy / "mclip_export" / f"{module}.py"
        source = file.read_text()
        if source.count(text) != 1:
            raise ValueError(f"{module}.py has {source.count(text)} times: {text}")
        file.write_text(source.replace(text, instead))
        command = [sys.executable, "-W", "ignore", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=line", tests]
        run = subprocess.run(command, cwd=copy, capture_output=True, text=True)
        lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return run.returncode == 1, "; ".join(lines)


def main():
    words, green = sys.argv[1:], []
    for what, *mutation in MUTATIONS:
        if words and not any(word in what for word in words):
            continue
        red, said = notices(*mutation)
        print(f"{'red' if red else 'GREEN'}: {what}: {said[:150]}", flush=True)
        if not red:
            green.append(what)
    sys.exit(f"not noticed: {', '.join(green)}" if green else 0)


if __name__ == "__main__":
    main()
