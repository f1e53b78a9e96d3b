"""bench/mount and bench/syscall_analysis --mount as a whole, with real mounts.

usage: mount_live.py BIN, the folder of mirrorfs and mirrorctl
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"
BIN = Path(sys.argv.pop()).resolve()
SECONDS = 120


@unittest.skipUnless(os.geteuid() == 0, "mounting needs root's rights")
@unittest.skipUnless(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs /dev/fuse")
class MountLive(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="mount-live.")
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name) / "tree"
        (self.tree / "below").mkdir(parents=True)
        for number in range(30):
            (self.tree / "below" / f"file {number}").write_text(f"{number}\n")

    def result(self, *command: str | Path) -> dict:
        done = subprocess.run(
            [*command, "--json", "-"], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    @staticmethod
    def direct(workload: dict, call: str) -> int:
        return sum(calls.get(call, 0) for calls in workload["calls"].values())

    def test_two_builds_take_turns(self):
        found = self.result(
            BENCH / "mount",
            *("--programs", BIN, "--programs", BIN, "--transport", "dev", "--rounds", "2"),
            *("--scale", "0.005", "--tree", self.tree),
        )
        self.assertEqual(len(found["runs"]), 6 * 2 * 2)
        self.assertEqual(
            {(line["workload"], line["build"]) for line in found["medians"]},
            {
                (name, build)
                for name in ("untar", "remove", "write", "create", "sqlite", "overwrite")
                for build in "AB"
            },
        )
        for line in found["medians"]:
            self.assertGreater(line["wall"], 0)
            self.assertEqual(line["ratio"] is None, line["build"] == "B", line)

    @unittest.skipUnless(Path("/sys/kernel/tracing").is_dir(), "the kernel has no trace events")
    def test_both_sides_of_a_mirror_at_work(self):
        found = self.result(
            BENCH / "syscall_analysis",
            *("--mount", "--bin", BIN, "--transport", "dev", "--tree", self.tree),
        )
        untar, remove = found["live"]
        self.assertEqual(untar["rows"]["entries"], 31)
        self.assertEqual(untar["requests"]["create"], 30)
        # Fewer where the kernel writes to the source by itself.
        written = untar["requests"].get("write", 0)
        self.assertLessEqual(written, 30)
        # And the marks on the root and on the directory that is made in it, in the journal.
        self.assertEqual(untar["calls"]["handlers"]["pwrite64"], written + 2)
        self.assertLessEqual(untar["bytes_by_pwrite"]["handlers"], 10 * 2 + 20 * 3)
        self.assertEqual(untar["ring"]["write"], 30)
        # One for each object, one for each time that the kernel asks about the directory that was
        # filled, and some for the root, which is no entry.
        self.assertLessEqual(self.direct(untar, "statx"), 2 * 31 + 8)
        self.assertEqual(untar["calls"]["engine"].get("statx", 0), 0)
        # One on each side for each object and the root; a directory that is filled for longer than
        # 200 ms gets its times more than once.
        self.assertLessEqual(self.direct(untar, "utimensat"), 2 * 32 + 10)
        self.assertGreater(untar["enters"], 0)
        self.assertEqual(remove["requests"]["unlink"], 30)
        self.assertEqual(remove["calls"]["handlers"]["unlinkat"], 31)


if __name__ == "__main__":
    unittest.main()
