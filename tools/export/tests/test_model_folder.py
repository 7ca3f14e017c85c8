"""A folder appears whole or not at all, and strangers' folders are left alone."""

import errno
import json
from pathlib import Path

import pytest

from mclip_export.__main__ import main
from mclip_export.errors import ExportError
from mclip_export.model_folder import model_folder


def test_a_full_disk_leaves_nothing(tmp_path):
    with pytest.raises(ExportError, match="No space left"), model_folder(tmp_path / "model") as folder:
        (folder / "graph.onnx").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_an_error_keeps_the_earlier_model(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/mclip.json").write_text("{}")
    with pytest.raises(ValueError, match="stop"), model_folder(tmp_path / "model"):
        raise ValueError("stop")
    assert (tmp_path / "model/mclip.json").read_text() == "{}"


def test_another_folder_is_not_overwritten(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("x")
    with pytest.raises(ExportError, match="no model folder"), model_folder(tmp_path / "letters"):
        pass
    assert (tmp_path / "letters/dear.txt").exists()


@pytest.mark.parametrize("arguments", [["vlm", "--model", "fastvlm-9b"], ["clip", "--model", "MobileCLIP-S9"]])
def test_an_unknown_model_lists_the_known_ones(tmp_path, arguments):
    with pytest.raises(SystemExit, match=r"Unknown .*Known: "):
        main([*arguments, "--random-weights", "0", "--out", str(tmp_path / "out")])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(SystemExit, match="There is no checkpoint"):
        main(["clip", "--model", "MobileCLIP2-S0", "--checkpoint", str(tmp_path / "x.pt"), "--out", str(tmp_path / "out")])
    assert list(tmp_path.iterdir()) == []


NANO = Path(__file__).parents[3] / "packages/nano/models"


@pytest.mark.parametrize("task", ["clip", "vlm"])
def test_a_folder_of_others_is_inspected_but_not_proven(task, capsys):
    main(["inspect", str(NANO / task)])
    assert "vision     w8" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="was not written by this exporter"):
        main(["verify", str(NANO / task)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "no manifest of version 1"),
        ({"mclip": 2}, "no manifest of version 1"),
        ({"graphs": {"vision": {}}}, "which files its graphs have"),
        ({"source": {"architecture": "MobileCLIP2-S0"}}, "give it with --checkpoint"),
        ({"source": {"architecture": "MobileCLIP2-S0", "randomWeights": 0}}, "no fp32 file of vision and text"),
    ],
)
def test_a_manifest_that_cannot_be_proven_says_why(tmp_path, change, message):
    manifest = json.loads((NANO / "clip/mclip.json").read_text())
    (tmp_path / "mclip.json").write_text(json.dumps(manifest | change if change else change))
    with pytest.raises(SystemExit, match=message):
        main(["verify", str(tmp_path)])


def test_files_without_hashes_are_taken_as_they_are(tmp_path, capsys):
    manifest = json.loads((NANO / "clip/mclip.json").read_text())
    for tower, described in manifest["graphs"].items():
        entry = described["files"]["w8"]
        (tmp_path / entry["file"]).write_bytes((NANO / "clip" / entry["file"]).read_bytes())
        described["files"]["w8"] = {"file": entry["file"], "bytes": None, "sha256": None if tower == "vision" else "0" * 64}
    del manifest["source"], manifest["licence"]
    (tmp_path / "mclip.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit, match="text.w8.onnx: another SHA-256"):
        main(["inspect", str(tmp_path)])
    assert "vision.w8.onnx  ok" in capsys.readouterr().out
