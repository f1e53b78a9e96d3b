"""bench/copy as a whole, on filesystems of its own, with little to copy.

usage: copy_live.py BIN, the folder of mirrorctl and measure
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"
BIN = Path(sys.argv.pop()).resolve()
SECONDS = 120


@unittest.skipUnless(os.geteuid() == 0, "needs root's rights to mount filesystems")
@unittest.skipUnless(Path("/dev/loop-control").exists(), "there are no loop devices")
@unittest.skipUnless(shutil.which("rsync"), "rsync is not installed")
class Copy(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="copy-live.")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def copy(self, *options: str | Path) -> subprocess.CompletedProcess:
        small = [
            "--scale",
            "0.002",
            "--repetitions",
            "1",
            "--rest",
            "0",
            "--images",
            self.folder,
            "--bin",
            BIN,
        ]
        command = [BENCH / "copy", *small, "--json", self.folder / "json", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)

    def test_everyone_takes_part(self):
        names = ["small", "changed", "hardlinks", "sparse"]
        options = [part for name in names for part in ("--workload", name)]
        done = self.copy(*options, "--svg", self.folder / "svg")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads((self.folder / "json").read_text())
        self.assertEqual(len(found["medians"]), 2 * len(names) * 4)
        self.assertEqual(len(found["runs"]), 2 * len(names) * 4)
        self.assertTrue(all(run["wall"] > 0 and run["peak_kib"] > 500 for run in found["runs"]))
        self.assertIn("</svg>", (self.folder / "svg").read_text())
        self.assertEqual([path.name for path in self.folder.iterdir() if path.is_dir()], [])

    def test_many_objects_and_earlier_figures(self):
        self.assertEqual(self.copy("--objects", "3000", "--tool", "cp -a").returncode, 0)
        earlier = ["--add-to", self.folder / "json"]
        done = self.copy(
            "--workload", "large", "--tool", "cp -a", "--filesystem", "tmpfs", *earlier
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        medians = json.loads((self.folder / "json").read_text())["medians"]
        self.assertEqual({each["workload"] for each in medians}, {"3,000 objects", "large"})

    def test_a_copy_that_is_not_equal_is_an_error(self):
        lazy = self.folder / "lazy"
        lazy.write_text("#!/bin/sh\nexit 0\n")
        lazy.chmod(0o755)
        done = self.copy("--workload", "small", "--filesystem", "tmpfs", "--program", lazy)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("the copy differs", done.stderr)


if __name__ == "__main__":
    unittest.main()
