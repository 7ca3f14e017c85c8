"""Half-precision files of real networks, as the public ones are made: by onnxconverter-common and by ONNX Runtime.

    python tools/half/make_files.py [--fastvlm] [--only onnxruntime]

Reads tools/real/models/mobileclip2-s0 (npm run bench:models) and, with --fastvlm, tools/real/models/fastvlm-0.5b; writes
tools/real/models/half: `<graph>.<converter>.onnx`, and `<graph>.rounded.onnx`, the single-precision file whose weights
are rounded to half precision, which is what such files stand for.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.transformers import float16 as onnxruntime_float16

MODELS = Path(__file__).parents[1] / "real/models"
OUT = MODELS / "half"
SOURCES = {"s0-vision": "mobileclip2-s0/vision.fp32.onnx", "s0-text": "mobileclip2-s0/text.fp32.onnx"}
FASTVLM = {"fastvlm-vision": "fastvlm-0.5b/vision_encoder.onnx"}



def by_common(model, keep_io_types):
    from onnxconverter_common.float16 import convert_float_to_float16

    return convert_float_to_float16(model, keep_io_types=keep_io_types)


CONVERTERS = {
    "common": lambda model: by_common(model, keep_io_types=True),
    "common-half-io": lambda model: by_common(model, keep_io_types=False),
    "onnxruntime": lambda model: onnxruntime_float16.convert_float_to_float16(model, keep_io_types=True),
}


def round_weights(model):
    """Weights as half precision holds them, still stored in single."""
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            rounded = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fastvlm", action="store_true")
    parser.add_argument("--only", choices=[*CONVERTERS, "rounded"])
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")  # of values that are cut to what half precision holds
    for name, source in (SOURCES | (FASTVLM if options.fastvlm else {})).items():
        original = MODELS / source
        for converter, convert in {**CONVERTERS, "rounded": round_weights}.items():
            file = OUT / f"{name}.{converter}.onnx"
            if options.only not in (None, converter):
                continue
            if file.exists() and file.stat().st_mtime > original.stat().st_mtime:
                continue
            onnx.save(convert(onnx.load(original)), file)
            print(f"{file.name}: {file.stat().st_size:,} bytes, {file.stat().st_size / original.stat().st_size:.3f} of fp32")


if __name__ == "__main__":
    main()
