"""Exports CLIP models one after the other, proves each, and keeps the figures in results/clip.json.

    python prove_clips.py [NAME ...] [--folder DIR] [--keep NAME ...]

Per model: export with random weights (seed 0), `verify --json`, all dtypes through @mclip/node (`check_in_node.mjs`). The
folder is removed then, unless it is to be kept. `models_table.py` writes docs/models.md from the figures.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from mclip_export.clip_models import CLIPS

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "clip.json"


def measured(command):
    """Seconds, peak resident MB and standard output of a command that must succeed."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        print(output)
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {code}")
    return time.monotonic() - start, usage.ru_maxrss / 1000, output


def prove(name, folder: Path):
    tool = [sys.executable, "-W", "ignore", "-m", "mclip_export"]
    seconds, peak, said = measured([*tool, "clip", "--model", name, "--random-weights", "0", "--out", str(folder)])
    print(f"{name}: {seconds:.0f} s, {peak:.0f} MB resident at most\n{said}", flush=True)
    report = folder.with_suffix(".verify.json")
    verify_seconds, verify_peak, table = measured([*tool, "verify", str(folder), "--json", str(report)])
    print(table, flush=True)
    node = json.loads(measured(["node", str(HERE / "check_in_node.mjs"), str(folder)])[2].splitlines()[-1])
    figures = json.loads(report.read_text())
    report.unlink()
    run = {
        "exportSeconds": round(seconds), "exportPeakMegabytes": round(peak), "verifySeconds": round(verify_seconds),
        "verifyPeakMegabytes": round(verify_peak), "node": node,
    }  # fmt: skip
    return {**figures, **run}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(CLIPS), metavar="NAME")
    parser.add_argument("--folder", type=Path, default=HERE / "out", help="where model folders are written")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="where the figures are kept")
    parser.add_argument("--keep", nargs="*", default=[], metavar="NAME")
    options = parser.parse_args()
    failed = []
    for name in options.names:
        folder = options.folder.absolute() / CLIPS[name].folder
        try:
            figures = prove(name, folder)
        except RuntimeError as error:
            failed.append(name)
            print(f"{name} failed: {error}", flush=True)
        else:
            known = json.loads(options.results.read_text()) if options.results.exists() else {}
            options.results.write_text(json.dumps({**known, name: figures}, indent=1) + "\n")
        if name not in options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
