"""A model folder appears whole or not at all: it is written beside its place and renamed."""

import hashlib
import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .data_file import data_file
from .errors import ExportError


def sha256(file: Path):
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_entry(file: Path, folder: Path | None = None):
    """What the manifest says of a file; `folder`: the model's, if the file is not at its top."""
    entry = {"file": file.relative_to(folder).as_posix() if folder else file.name, "bytes": file.stat().st_size, "sha256": sha256(file)}
    if data_file(file).exists():
        entry["data"] = file_entry(data_file(file), folder)
    return entry


def write_manifest(folder: Path, manifest):
    (folder / "mclip.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def model_folder(target: Path):
    """A new folder to write into. An earlier model at `target` is replaced, anything else there is left alone."""
    target = Path(target).absolute()
    if target.exists() and not (target.is_dir() and ((target / "mclip.json").exists() or not any(target.iterdir()))):
        raise ExportError(f"{target} exists and is no model folder; choose another --out or remove it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    folder.chmod(0o755)
    try:
        yield folder
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ExportError(f"Writing {target} failed and nothing was left there: {error}") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
