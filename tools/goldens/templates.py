"""Writes packages/core/test/fixtures/templates.json: the 80 templates of OpenAI's ImageNet prompts, filled with 'X'.

    python tools/goldens/templates.py
"""

import json
from importlib.metadata import version
from pathlib import Path

from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

TARGET = Path(__file__).parents[2] / "packages/core/test/fixtures/templates.json"


def main():
    filled = [template("X") for template in OPENAI_IMAGENET_TEMPLATES]
    assert len(filled) == 80
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    source = f"open_clip_torch {version('open_clip_torch')}, zero_shot_metadata.OPENAI_IMAGENET_TEMPLATES filled with 'X'"
    TARGET.write_text(json.dumps({"source": source, "openai80": filled}, indent=2) + "\n")
    print(f"{TARGET.name}: {len(filled)} templates")


if __name__ == "__main__":
    main()
