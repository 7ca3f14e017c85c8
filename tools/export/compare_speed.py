"""Times the dtypes of a model folder's graphs in turns, and prints medians in parts of fp32's.

    python compare_speed.py FOLDER [ROUNDS]
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from mclip_export.onnx_session import make_session


def main(folder: Path, rounds=60):
    for graph, described in json.loads((folder / "mclip.json").read_text())["graphs"].items():
        sessions = {dtype: make_session(folder / entry["file"]) for dtype, entry in described["files"].items()}
        [first] = next(iter(sessions.values())).get_inputs()
        shape = [1, *first.shape[1:]]
        rng = np.random.default_rng(0)
        value = rng.random(shape, np.float32) if first.type == "tensor(float)" else rng.integers(1, 40_000, shape)
        times = {dtype: [] for dtype in sessions}
        for _ in range(rounds):
            for dtype in rng.permutation(list(sessions)):  # one after the other in a fixed order would favour some
                start = time.perf_counter()
                sessions[dtype].run(None, {first.name: value})
                times[dtype].append(1000 * (time.perf_counter() - start))
        medians = {dtype: float(np.median(spent[5:])) for dtype, spent in times.items()}
        ratios = {dtype: median / medians["fp32"] for dtype, median in medians.items()}
        print(graph, ", ".join(f"{dtype} {medians[dtype]:.1f} ms ({ratios[dtype]:.3f})" for dtype in medians), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
