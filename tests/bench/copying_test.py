"""bench/copy: what becomes of the figures, and the trees that are copied."""

import os
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

from copying import picture, report, tools
from copying.measuring import Run
from copying.summary import medians, ratio
from support import trees


def run(tool: str, wall: float, workload: str = "small", sync: float = 0.0) -> Run:
    return Run("tmpfs", workload, tool, wall, sync, 0.25, 0.5, 1.0, 2048)


RUNS = [
    run("cp -a", 4),
    run("mirrorctl sync", 2),
    run("cp -a", 1000),
    run("mirrorctl sync", 1, sync=9),
    run("cp -a", 3),
    run("mirrorctl sync", 3),
    run("rsync -a", 30, "large"),
]


class Summary(unittest.TestCase):
    def test_medians_are_not_means(self):
        ours, copied, _ = medians(RUNS)
        self.assertEqual(
            (ours.tool, ours.wall, ours.durable, ours.runs), ("mirrorctl sync", 2, 3, 3)
        )
        self.assertEqual((copied.tool, copied.wall, copied.cpu), ("cp -a", 4, 0.75))
        self.assertEqual((copied.machine, copied.peak_mib), (1.0, 2.0))

    def test_ratio_is_of_the_same_work(self):
        ours, copied, alone = medians(RUNS)
        self.assertEqual(ratio([ours, copied, alone], copied, "mirrorctl sync"), 2)
        self.assertIsNone(ratio([ours, copied, alone], alone, "mirrorctl sync"))

    def test_table(self):
        lines = report.table(medians(RUNS), "mirrorctl sync").splitlines()
        self.assertEqual(len({len(line) for line in lines}), 1)
        self.assertIn("|  2.00 |", lines[3])
        self.assertIn("|     – |", lines[4])

    def test_ratios(self):
        runs = [*RUNS, run("mirrorctl sync", 10, "large")]
        head, rule, small, large = report.ratios(medians(runs), "mirrorctl sync").splitlines()
        self.assertEqual(
            [cell.strip() for cell in small.split("|")[1:-1]],
            ["small", "tmpfs", "2.000", "2.00", "–"],
        )
        self.assertEqual(
            [cell.strip() for cell in large.split("|")[1:-1]],
            ["large", "tmpfs", "10.000", "–", "3.00"],
        )

    def test_picture_is_well_formed_and_has_a_bar_for_each_tool(self):
        root = ElementTree.fromstring(picture.svg(medians(RUNS[:6]), "mirrorctl sync"))
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("1.00 (2.00 s)", texts)
        self.assertIn("2.00 (4.00 s)", texts)


class Tools(unittest.TestCase):
    def test_holes_are_asked_for_where_they_have_to_be(self):
        copy, plain, _ = tools.others()
        source, replica = Path("/s"), Path("/r")
        self.assertEqual(
            plain.call(source, replica, holes=True), ["rsync", "--sparse", "-a", "/s/", "/r/"]
        )
        self.assertEqual(plain.call(source, replica, holes=False), ["rsync", "-a", "/s/", "/r/"])
        self.assertEqual(copy.call(source, replica, holes=True), ["cp", "-a", "/s/.", "/r"])


class Trees(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name) / "tree"

    def test_small_files(self):
        trees.small_files(self.root, files=25, directories=4, size=100)
        self.assertEqual(trees.census(self.root), trees.Census(objects=30, files=25))
        contents = {path.read_bytes() for path in self.root.glob("*/*")}
        self.assertEqual((len(contents), {len(each) for each in contents}), (25, {100}))

    def test_every_second_name_is_a_hard_link(self):
        trees.hardlinks(self.root, names=20, directories=3)
        found = [path.stat() for path in self.root.glob("*/*")]
        self.assertEqual((len(found), {look.st_nlink for look in found}), (20, {2}))
        self.assertEqual(len({look.st_ino for look in found}), 10)

    def test_sparse(self):
        trees.sparse(self.root, size=1 << 30, pieces=4)
        look = (self.root / "sparse").stat()
        self.assertEqual(look.st_size, 1 << 30)
        self.assertLess(look.st_blocks * 512, 2 << 20)

    def test_some_change(self):
        trees.small_files(self.root, files=25, directories=4, size=100)
        before = {path: path.read_bytes() for path in self.root.glob("*/*")}
        self.assertEqual(trees.change_some(self.root, one_in=10), 3)
        after = {path: path.read_bytes() for path in before}
        self.assertEqual(sum(before[path] != after[path] for path in before), 3)
        self.assertEqual({len(content) for content in after.values()}, {100})

    def test_symlinks_are_objects_and_not_followed(self):
        self.root.mkdir()
        os.symlink("/usr", self.root / "link")
        self.assertEqual(trees.census(self.root), trees.Census(objects=2, files=0))


if __name__ == "__main__":
    unittest.main()
