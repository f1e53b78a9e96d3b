"""The programs of this source tree."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BIN = ROOT / "build" / "release" / "bin"


def program(target: str, folder: Path | None = None) -> Path:
    """Where the program is: in `folder`, else in the release build, which is brought up to date."""
    if folder is not None:
        if not (folder / target).is_file():
            raise FileNotFoundError(f"there is no {target} in {folder}")
        return folder / target
    build = [str(ROOT / "mount-scripts" / "build"), "--preset", "release", target]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return _BIN / target
