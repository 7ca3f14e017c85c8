"""The command line: python -m mclip_export vlm|clip|verify|inspect"""

import argparse
import sys
from pathlib import Path

from .errors import ExportError


def arguments():
    parser = argparse.ArgumentParser(prog="python -m mclip_export", description="Checkpoints to ONNX model folders for mclip.")
    commands = parser.add_subparsers(dest="command", required=True)
    vlm = commands.add_parser("vlm", help="a FastVLM")
    vlm.add_argument("--model", required=True)
    vlm.add_argument("--random-weights", type=int, metavar="SEED")
    vlm.add_argument("--out", type=Path, required=True)
    vlm.add_argument("--dtype", default="fp32,fp16,w8,q8,q4,q4f16", help="comma-separated")
    return parser.parse_args()


def run_vlm(options):
    from . import qwen2_tokenizer_file
    from .architectures import VLMS
    from .export_vlm import RANDOM_LICENCE, export_vlm
    from .random_weights import random_network

    if options.model not in VLMS:
        raise ExportError(f"Unknown model '{options.model}'. Known: {', '.join(VLMS)}.")
    vlm = VLMS[options.model]
    if vlm.tokenizer == "tiny":
        tokenizer = qwen2_tokenizer_file.tiny_tokenizer()
    else:
        tokenizer = qwen2_tokenizer_file.qwen2_tokenizer(Path(__file__).parents[3] / ".cache/qwen2")
    image_id = qwen2_tokenizer_file.load(tokenizer).token_to_id(qwen2_tokenizer_file.IMAGE)
    network = random_network(vlm, options.random_weights, text_tokens=image_id)
    source = {"architecture": vlm.name, "randomWeights": options.random_weights}
    manifest = export_vlm(network, tokenizer, options.out, options.dtype.split(","), RANDOM_LICENCE, source)
    for graph, entry in manifest["graphs"].items():
        for dtype, file in entry["files"].items():
            print(f"{graph:8} {dtype:6} {file['bytes'] / 1e6:9.2f} MB  {file['file']}")


def main():
    options = arguments()
    try:
        {"vlm": run_vlm}[options.command](options)
    except ExportError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
