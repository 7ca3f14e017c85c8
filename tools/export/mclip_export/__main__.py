"""The command line: python -m mclip_export vlm|clip|verify|inspect"""

import argparse
import sys
from pathlib import Path

from .errors import ExportError

APPLE_LICENCE = {
    "id": "apple-amlr",
    "notice": "Apple Machine Learning Research Model License: research purposes only, no commercial use or product development.",
}
UNKNOWN_LICENCE = {"id": "unknown", "notice": "the licence of the checkpoint that this was made of"}
RANDOM_LICENCE = {"id": "MIT", "notice": "random weights, for tests"}


def arguments(argv):
    parser = argparse.ArgumentParser(prog="python -m mclip_export", description="Checkpoints to ONNX model folders for mclip.")
    commands = parser.add_subparsers(dest="command", required=True)
    kinds = (("vlm", "a FastVLM", "fp32,fp16,w8,q8,q4,q4f16"), ("clip", "a MobileCLIP or a CLIP of open_clip", "fp32,fp16,w8"))
    for command, of, dtypes in kinds:
        sub = commands.add_parser(command, help=f"export {of}")
        sub.add_argument("--model", required=True, help="its name; an unknown one lists all")
        weights = sub.add_mutually_exclusive_group(required=True)
        weights.add_argument("--checkpoint", type=Path, help="file or folder of weights")
        weights.add_argument("--random-weights", type=int, metavar="SEED", help="the architecture with weights for tests")
        sub.add_argument("--out", type=Path, required=True, help="model folder to write")
        sub.add_argument("--dtype", default=dtypes, help=f"comma-separated, of {dtypes}")
        if command == "clip":
            sub.add_argument("--tag", help="of a model of open_clip, whose weights: preprocessing and QuickGELU follow it")
            sub.add_argument("--dense", action="store_true", help="the vision graph also gives an embedding per place, for heat maps")
    commands.choices["vlm"].add_argument("--resolution", type=int, metavar="PIXELS", help="side of the largest picture; by default 1024")
    verify = commands.add_parser("verify", help="compare a model folder with PyTorch and with its own fp32 files")
    inspect = commands.add_parser("inspect", help="what a model folder holds; checks sizes and hashes")
    for sub in (verify, inspect):
        sub.add_argument("folder", type=Path)
    verify.add_argument("--checkpoint", type=Path, help="the weights it was made of; not needed for random ones")
    verify.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args(argv)


def chosen_dtypes(text, known):
    dtypes = text.split(",")
    unknown = [dtype for dtype in dtypes if dtype not in known]
    if unknown:
        raise ExportError(f"Unknown dtype '{unknown[0]}'. Known: {', '.join(known)}.")
    return dtypes


def print_files(manifest):
    for graph, entry in manifest["graphs"].items():
        for dtype, file in entry["files"].items():
            size = file["bytes"] + file.get("data", {"bytes": 0})["bytes"]
            print(f"{graph:8} {dtype:6} {size / 1e6:9.2f} MB  {file['file']}")


def run_vlm(options):
    from .export_vlm import DTYPES, export_vlm
    from .vlm_source import vlm_network

    dtypes = chosen_dtypes(options.dtype, DTYPES)
    network, tokenizer, source = vlm_network(options.model, options.checkpoint, options.random_weights, options.resolution)
    licence = APPLE_LICENCE if options.checkpoint else RANDOM_LICENCE
    print_files(export_vlm(network, tokenizer, options.out, dtypes, licence, source))


def run_clip(options):
    from .clip_source import clip_network
    from .export_clip import DTYPES, export_clip

    dtypes = chosen_dtypes(options.dtype, DTYPES)
    model, network, source = clip_network(options.model, options.checkpoint, options.random_weights, options.tag)
    licence = (APPLE_LICENCE if model.apple else UNKNOWN_LICENCE) if options.checkpoint else RANDOM_LICENCE
    name = model.folder if options.checkpoint else f"{model.folder}-random"
    print_files(export_clip(network, model, options.out, dtypes, licence, source, name, options.dense))


def run_verify(options):
    from .verify import verify

    verify(options.folder, options.checkpoint, options.json)


def run_inspect(options):
    from .inspect_folder import inspect_folder

    inspect_folder(options.folder)


def main(argv=None):
    options = arguments(argv)
    try:
        {"vlm": run_vlm, "clip": run_clip, "verify": run_verify, "inspect": run_inspect}[options.command](options)
    except ExportError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
