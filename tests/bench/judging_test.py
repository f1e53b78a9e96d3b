"""From calls to rows, score and findings."""

import json
import tempfile
import unittest
from collections import Counter
from pathlib import Path

from syscalls import baseline, report, score, tracefs
from syscalls.calls import Call, Name, World
from syscalls.only import Filter
from syscalls.rows import Row, rows_of
from syscalls.score import Finding, Level
from syscalls.tally import Tally, add_direct, add_events, add_submissions, include_startup

LISTED = Call(World.DIRECT, "getdents64")


def ring(name: str, *names: Name, **more) -> Call:
    return Call(World.RING, name, names, **more)


def direct(name: str, *names: Name, **more) -> Call:
    return Call(World.DIRECT, name, names, **more)


def tally(direct_calls=(), ring_calls=(), objects=4, files=2) -> Tally:
    found = Tally(objects, files)
    add_direct(found, [LISTED, *direct_calls])
    add_submissions(found, ["getdents64", *ring_calls])
    return found


def looks(number: int) -> list[Call]:
    return [ring("statx", Name(5, "name"))] * number


class Score(unittest.TestCase):
    def test_nothing_wrong_is_100(self):
        good = tally([direct("fchown"), direct("utimensat", Name(3, None))], looks(4))
        self.assertEqual(score.score(good), 100)
        self.assertEqual(score.findings(good), [])

    def test_the_roots_may_be_looked_at_before(self):
        self.assertEqual(score.score(tally(ring_calls=looks(2))), 100)

    def test_one_look_less_or_more_is_not_one(self):
        self.assertEqual(score.score(tally(ring_calls=looks(1))), 85)
        self.assertEqual(score.score(tally(ring_calls=looks(5))), 95)
        self.assertEqual(score.score(tally(ring_calls=looks(1001), objects=1000)), 99)

    def test_one_path_on_the_ring_is_critical(self):
        found = tally(ring_calls=[*looks(4), ring("openat2", Name(-100, "x"))])
        self.assertEqual(score.score(found), 100 - 5 - 10)
        self.assertEqual([finding.level for finding in score.findings(found)], [Level.CRITICAL])
        self.assertIn("openat2 by path (ring)", score.findings(found)[0].text)

    def test_one_path_off_the_ring_is_critical(self):
        found = tally([direct("chmod", Name(-100, "x"))], looks(4))
        self.assertEqual(score.score(found), 100 - 5 - 10)
        self.assertEqual([finding.level for finding in score.findings(found)], [Level.CRITICAL])

    def test_the_start_up_is_free(self):
        found = Tally(4, 2)
        add_direct(found, [direct("open", Name(-100, "/etc/ld.so.cache")), direct("fstat"), LISTED])
        add_submissions(found, ["getdents64", *looks(4)])
        self.assertEqual(score.score(found), 100)
        self.assertEqual(score.findings(found), [])
        self.assertEqual(include_startup(found).count(World.DIRECT, ["fstat"]), 1)

    def test_direct_statx_counts_twice(self):
        found = tally([direct("fstat")], looks(3))
        self.assertEqual(score.score(found), 100 - 2 - 5)

    def test_only_the_first_look_at_a_standard_stream_is_free(self):
        look = direct("fstat", stream=1)
        self.assertEqual(score.score(tally([look], looks(4))), 100)
        self.assertEqual(score.score(tally([look, look], looks(3))), 100 - 2 - 5)

    def test_direct_fallocate(self):
        self.assertEqual(score.score(tally([direct("fallocate")], looks(4))), 100 - 2 - 5)

    def test_not_below_zero(self):
        calls = [
            direct(name, Name(-100, "x"))
            for name in "stat chmod chown open link rmdir unlink mkdir".split()
        ]
        self.assertEqual(score.score(tally(calls * 50, looks(40))), 0)

    def test_proc_fd_costs_nothing_and_is_shown(self):
        found = tally([direct("lsetxattr", Name(-100, "/proc/self/fd/9"))], looks(4))
        self.assertEqual(score.score(found), 100)
        self.assertEqual({row.key: row.value for row in rows_of(found)}["proc_fd"], 1)


class Counters(unittest.TestCase):
    PROGRAM = {
        "enters": 2,
        "operations": 2,
        "retries": 1,
        "wakes": 1,
        "by_opcode": {"statx": 1, "read": 1},
    }

    def counted(self) -> Tally:
        found = Tally(4, 2)
        submit = [
            ("statx", 16),
            ("read", 32),
            ("read", 32),
            ("read", 0),
        ]  # one again, one for wake-ups
        events = [tracefs.Event(tracefs.SUBMIT, 1, name, data) for name, data in submit]
        add_events(
            found,
            [
                tracefs.Event(tracefs.ENTER, 1),
                tracefs.Event(tracefs.LISTING, 1),
                *events,
                tracefs.Event(tracefs.ENTER, 1),
            ],
        )
        return include_startup(found)

    def test_agreement(self):
        self.assertEqual(score.check_counters(self.counted(), self.PROGRAM), [])

    def test_any_disagreement_is_critical(self):
        for wrong in (
            {"enters": 3},
            {"operations": 3},
            {"wakes": 0},
            {"retries": 0},
            {"by_opcode": {"statx": 2, "read": 0}},
            {"by_opcode": {"openat2": 1, "read": 1}},
        ):
            with self.subTest(wrong):
                found = score.check_counters(self.counted(), self.PROGRAM | wrong)
                self.assertIn(Level.CRITICAL, [finding.level for finding in found])

    def test_no_counters_are_told(self):
        (finding,) = score.check_counters(self.counted(), None)
        self.assertEqual(finding.level, Level.WARNING)

    def test_runs_that_differ_are_told(self):
        found = tally(ring_calls=looks(4))
        found.submitted = Counter(statx=100)
        (finding,) = score.check_passes(found)
        self.assertIn("100 x statx on the ring, 4 with names", finding.text)


class Table(unittest.TestCase):
    def test_rows(self):
        found = tally([direct("fallocate"), direct("chmod", Name(-100, "x"))], looks(4))
        found.enters, found.submitted = 2, Counter(statx=4, read=12)
        values = {row.key: row.value for row in rows_of(found)}
        self.assertEqual(values["operations_per_enter"], 8)
        self.assertEqual(values["enters_per_file"], 1)
        self.assertEqual(values["calls"], 3 + 2)
        self.assertEqual(values["statx_per_object"], 1)
        self.assertEqual(values["fallocate_direct"], 1)
        self.assertEqual(values["chmod_path"], 1)
        self.assertEqual(values["paths"], 1)

    def test_a_path_based_call_of_any_name_has_a_row(self):
        labels = [row.label for row in rows_of(tally([direct("rmdir", Name(-100, "x"))]))]
        self.assertIn("rmdir by path, direct", labels)

    def test_markdown_shows_the_baseline_where_it_differs(self):
        rows = [Row("a", "first", 1), Row("b", "second", 2)]
        text = report.markdown(
            [report.Result("load", Tally(1, 1), rows)], {"load": {"a": 1, "b": 3}}
        )
        self.assertIn("| first | 1 |", text)
        self.assertIn("| second | 2 (3) |", text)

    def test_annotations(self):
        found = report.Result(
            "load",
            Tally(1, 1),
            [],
            [Finding(Level.CRITICAL, "bad"), Finding(Level.WARNING, "so so")],
        )
        self.assertEqual(
            report.annotations([found]).splitlines(),
            [
                "::error title=syscall_analysis::load: bad",
                "::warning title=syscall_analysis::load: so so",
            ],
        )


class Baseline(unittest.TestCase):
    def worse(self, row: Row, before: float) -> bool:
        return bool(baseline.regressions([row], {row.key: before}))

    def test_counts_may_hardly_grow(self):
        self.assertFalse(self.worse(Row("direct", "", 102), 100))
        self.assertTrue(self.worse(Row("direct", "", 103), 100))
        self.assertTrue(self.worse(Row("paths", "", 1), 0))

    def test_what_depends_on_the_moment_may_vary(self):
        self.assertFalse(self.worse(Row("enters", "", 129, timing=True), 100))
        self.assertTrue(self.worse(Row("enters", "", 131, timing=True), 100))

    def test_less_can_be_worse(self):
        self.assertTrue(
            self.worse(Row("operations_per_enter", "", 5.0, worse="less", timing=True), 10)
        )
        self.assertFalse(
            self.worse(Row("operations_per_enter", "", 20.0, worse="less", timing=True), 10)
        )
        self.assertTrue(self.worse(Row("score", "", 99, worse="less"), 100))

    def test_a_new_row_or_one_that_was_not_measured_is_no_regression(self):
        self.assertEqual(baseline.regressions([Row("new", "", 5)], {}), [])
        self.assertFalse(self.worse(Row("enters", "", None), 5))

    def test_written_and_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "baseline.json"
            baseline.save(path, {"load": [Row("a", "", 1), Row("b", "", None)]})
            self.assertEqual(baseline.load(path), {"load": {"a": 1, "b": None}})
            self.assertTrue(json.loads(path.read_text()))


class Only(unittest.TestCase):
    def test_keeps_what_touches_the_object_under_its_earlier_names_too(self):
        staged = "/t/d/.mirrorfs/staging/1"
        calls = [
            ring("statx", Name(3, "x", "/t/s")),
            ring("statx", Name(3, "y", "/t/s")),
            ring("write", descriptors=(staged,)),
            ring("write", descriptors=("/t/d/.mirrorfs/staging/2",)),
            ring("renameat", Name(4, "1", "/t/d/.mirrorfs/staging"), Name(5, "x", "/t/d")),
        ]
        kept = list(Filter(["/t/s/x", "/t/d/x"]).keep(calls))
        self.assertEqual(kept, [calls[0], calls[2], calls[4]])

    def test_without_paths_everything_is_kept(self):
        self.assertEqual(list(Filter(None).keep(["getdents64", LISTED])), ["getdents64", LISTED])


if __name__ == "__main__":
    unittest.main()
