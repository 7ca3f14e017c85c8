"""A folder appears whole or not at all, and strangers' folders are left alone."""

import errno

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
