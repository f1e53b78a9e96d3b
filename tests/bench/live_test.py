"""What is counted of a mirror at work, and what becomes of the figures of two builds."""

import unittest

from mounting import report
from mounting.measuring import Run
from syscalls import live, live_report, tracefs
from syscalls.direct import BadTrace
from syscalls.live import LiveTally, Side

TRACE = (
    "# tracer: nop\n",
    "     fuse_worker-41      [000] .....  8.1: sys_pwrite64(fd: c, buf: 7f5d, count: 1f4, pos: 0)\n",
    "     fuse_worker-41      [000] .....  8.2: sys_newfstatat(dfd: 5, filename: 7f0, flag: 0)\n",
    "        mirrorfs-42      [001] ...1.  8.2: io_uring_submit_req: ring 00000000e142820e, req"
    " 00000000af0d3428, user_data 0x7f10, opcode WRITE, flags 0x2010, sq_thread 0\n",
    "        mirrorfs-42      [001] .....  8.3: sys_io_uring_enter(fd: 3, to_submit: 1)\n",
    "        mirrorfs-42      [001] .....  8.4: sys_statx(dfd: 5, filename: 7f0, flags: 0)\n",
    " mirrorfs-helper-43      [001] .....  8.5: sys_syncfs(fd: 5)\n",
    "        mirrorfs-40      [001] .....  8.6: sys_poll(ufds: 7f0, nfds: 1, timeout_msecs: -1)\n",
    "             tar-50      [001] .....  8.7: fuse_request_send: connection 62 req 8 opcode 16"
    " (FUSE_WRITE) len 160 \n",
    "  fuse_ring_pool-44      [001] ...1.  8.8: io_uring_submit_req: ring 00000000e142820f, req"
    " 00000000af0d3429, user_data 0x7f11, opcode URING_CMD, flags 0x0, sq_thread 0\n",
)


class Counting(unittest.TestCase):
    def tally(self, lines=TRACE) -> LiveTally:
        found = LiveTally("untar", "dev", entries=2)
        live.add_calls(
            found,
            [event for event in tracefs.parse_calls(lines) if event.kind != tracefs.REQUEST],
        )
        return found

    def test_each_thread_works_for_one_side(self):
        whose = live.sides(tracefs.parse_calls(TRACE[:-2]))
        self.assertEqual(
            whose,
            {41: Side.HANDLERS, 42: Side.ENGINE, 43: Side.ENGINE, 40: Side.REST},
        )

    def test_the_engine_is_known_by_its_ring_even_if_it_is_named_otherwise(self):
        lines = [line.replace("   mirrorfs-42", "fuse_engine-42") for line in TRACE]
        self.assertEqual(live.sides(tracefs.parse_calls(lines))[42], Side.ENGINE)

    def test_taking_requests_by_a_ring_is_no_engines_work(self):
        self.assertEqual(live.sides(tracefs.parse_calls(TRACE))[44], Side.HANDLERS)

    def test_calls_by_side(self):
        found = self.tally()
        self.assertEqual(found.calls[Side.HANDLERS], {"pwrite64": 1, "statx": 1})
        self.assertEqual(found.calls[Side.ENGINE], {"statx": 1, "syncfs": 1})
        self.assertEqual(found.calls[Side.REST], {"poll": 1})
        self.assertEqual(found.ring, {"write": 1})
        self.assertEqual(found.enters, 1)
        self.assertEqual(found.written[Side.HANDLERS], 500)

    def test_figures_are_for_each_entry(self):
        figures = {key: figure for key, _, figure in live_report.rows(self.tally())}
        self.assertEqual(figures["statx"], 1.0)
        self.assertEqual(figures["statx_handlers"], 0.5)
        self.assertEqual(figures["statx_engine"], 0.5)
        self.assertEqual(figures["operations"], 0.5)
        self.assertEqual(figures["operations_per_enter"], 1.0)

    def test_requests(self):
        requests = [event for event in tracefs.parse_calls(TRACE) if event.kind == tracefs.REQUEST]
        self.assertEqual([(event.opcode, event.thread) for event in requests], [("write", 50)])

    def test_lost_events_and_nonsense_are_errors(self):
        for line in ("CPU:1 [LOST 42 EVENTS]\n", "nonsense\n"):
            with self.assertRaises(BadTrace):
                list(tracefs.parse_calls([*TRACE, line]))

    def test_the_table_has_a_column_for_each_workload(self):
        text = live_report.text([self.tally(), self.tally()])
        self.assertEqual(text.splitlines()[0].count("untar, dev"), 2)
        self.assertIn("ring: write 1", text)


def run(build: str, number: int, wall: float) -> Run:
    return Run(build, "dev", "untar", wall, 2 * wall, 0.1, number)


class Ratios(unittest.TestCase):
    def test_neighbours_are_compared_whatever_the_machine_did_meanwhile(self):
        runs = [run("A", 0, 1.0), run("B", 0, 2.0), run("A", 1, 10.0), run("B", 1, 20.0)]
        first, second = report.lines(runs)
        self.assertEqual((first.build, first.ratio, first.ratio_converged), ("A", 0.5, 0.5))
        self.assertEqual((second.build, second.ratio), ("B", None))
        self.assertEqual(first.wall, 5.5)

    def test_one_build_has_no_ratio(self):
        (line,) = report.lines([run("A", 0, 1.0)])
        self.assertIsNone(line.ratio)
        self.assertIn("| A ", report.table([line]))


if __name__ == "__main__":
    unittest.main()
