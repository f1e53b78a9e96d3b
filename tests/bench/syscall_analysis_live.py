"""bench/syscall_analysis as a whole, with the kernel's trace events, strace and ring_watch.

usage: syscall_analysis_live.py BIN, the folder of mirrorctl, ring_watch and careless_copier
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
CARELESS = f"{BIN}/careless_copier {{source}} {{replica}}"
SECONDS = 100


def analyse(*options: str | Path, within: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = [*within, BENCH / "syscall_analysis", "--bin", BIN, "--json", "-", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


@unittest.skipUnless(os.geteuid() == 0, "needs root's rights for the kernel's trace events")
@unittest.skipUnless(Path("/sys/kernel/tracing").is_dir(), "the kernel has no trace events")
@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class SyscallAnalysis(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="syscalls-live.")
        self.addCleanup(folder.cleanup)
        self.source = Path(folder.name) / "source"
        self.source.mkdir()
        for number in range(20):
            (self.source / f"file {number}").write_text(f"{number}\n")

    def result(self, *options: str | Path, status: int = 0) -> dict:
        done = analyse("--tree", self.source, *options)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        return json.loads(done.stdout)["workloads"][0]

    def test_a_careless_copier_is_found_out_on_the_ring_and_off_it(self):
        result = self.result("--command", CARELESS, "--trace-from-first-readdir", status=1)
        rows = result["rows"]
        self.assertLess(rows["score"], 10)
        self.assertEqual(rows["statx_ring"], 40)
        self.assertEqual(rows["statx_path"], 40)
        self.assertEqual(rows["open_ring_path"], 40)
        self.assertEqual(rows["operations"], 80)
        self.assertEqual(rows["enters"], 80)
        self.assertEqual(rows["operations_per_enter"], 1)
        self.assertEqual(rows["fallocate_direct"], 20)
        self.assertEqual(rows["chmod_path"], 20)
        texts = [
            finding["text"] for finding in result["findings"] if finding["level"] == "critical"
        ]
        self.assertIn("40 x openat by path (ring)", texts)
        self.assertIn("20 x chmod by path (direct)", texts)

    def test_a_registered_ring_does_not_hide_anything(self):
        command = f"{CARELESS} registered"
        rows = self.result("--command", command, "--trace-from-first-readdir", status=1)["rows"]
        self.assertEqual((rows["enters"], rows["operations"]), (80, 80))
        self.assertEqual((rows["open_ring_path"], rows["statx_path"]), (40, 40))

    def test_a_ring_that_cannot_be_seen_into_is_an_error(self):
        done = analyse("--tree", self.source, "--command", f"{CARELESS} sqpoll")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("IORING_SETUP_SQPOLL", done.stderr)

    def test_one_object_alone(self):
        rows = self.result("--command", CARELESS, "--only", "file 7", status=1)["rows"]
        self.assertEqual(rows["open_ring_path"], 2)
        self.assertEqual(rows["statx_path"], 2)
        self.assertEqual(rows["chmod_path"], 1)
        self.assertIsNone(rows["enters"])

    def test_mirrorctl_goes_by_descriptors_and_counts_right(self):
        result = self.result()
        critical = [each["text"] for each in result["findings"] if each["level"] == "critical"]
        self.assertEqual(critical, [])
        self.assertEqual(result["rows"]["paths"] - result["rows"]["startup_paths"], 0)
        self.assertGreater(result["rows"]["open_ring_descriptor"], 20)

    def test_in_a_container_process_numbers_are_others(self):
        container = ("unshare", "--pid", "--fork", "--mount-proc")
        done = analyse("--tree", self.source, "--command", CARELESS, within=container)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(json.loads(done.stdout)["workloads"][0]["rows"]["enters"], 80)

    def test_lost_events_are_an_error(self):
        for number in range(2000):
            (self.source / f"more {number}").touch()
        done = analyse("--tree", self.source, "--trace-buffer", "8")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertRegex(done.stderr, "the kernel lost .* trace events")

    def test_a_program_that_fails_is_an_error(self):
        done = analyse("--tree", self.source, "--command", "false {source} {replica}")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("exit status 1", done.stderr)


if __name__ == "__main__":
    unittest.main()
