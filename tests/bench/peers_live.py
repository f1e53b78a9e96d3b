"""bench/peers as a whole, with real mounts.

usage: peers_live.py DIRECTORY    where mirrorfs and mirrorctl are
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BIN = Path(sys.argv.pop(1)) if len(sys.argv) > 1 else Path()
PEERS = Path(__file__).resolve().parents[2] / "bench" / "peers"


def peers(*options: str) -> subprocess.CompletedProcess:
    command = [PEERS, f"--programs={BIN}", "--filesystem=tmpfs", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


@unittest.skipUnless(
    os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK), "root and /dev/fuse"
)
class Peers(unittest.TestCase):
    def test_native_is_what_the_others_are_a_share_of(self):
        with tempfile.NamedTemporaryFile() as found:
            done = peers(
                "--rounds=1",
                "--subject=native",
                "--subject=mirrorfs",
                "--workload=create 4 KiB",
                "--workload=unlink",
                f"--json={found.name}",
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            runs = json.load(found)["runs"]
        self.assertEqual(len(runs), 4)
        self.assertTrue(all(run["wall"] > 0 for run in runs))
        ours = [run for run in runs if run["subject"] == "mirrorfs"]
        self.assertTrue(all(run["daemon"] > 0 and run["converged"] >= run["wall"] for run in ours))
        rows = [line for line in done.stdout.splitlines() if line.startswith("| create 4 KiB")]
        self.assertEqual(len(rows), 1)
        self.assertRegex(rows[0], r"tmpfs \| [\d,]+ ms \| \d\.\d\d ±\d+% \|$")

    def test_lag_is_told_for_mirrors_alone(self):
        done = peers("--lag", "--subject=native", "--subject=mirrorfs")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("| 64 KiB | tmpfs | mirrorfs |", done.stdout)
        self.assertNotIn("native", done.stdout)

    def test_a_workload_that_is_none_is_refused(self):
        done = peers("--workload=nothing")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such workload: nothing", done.stderr)


if __name__ == "__main__":
    unittest.main()
