"""Reading what strace, ring_watch and the kernel wrote."""

import unittest

from syscalls import direct, submissions, tracefs
from syscalls.calls import AT_FDCWD, Name, Way, World
from syscalls.direct import BadTrace
from syscalls.text import split_arguments, unquote


CONFINED = "RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS"


def calls(*lines: str) -> list:
    return list(direct.parse(lines))


class Notation(unittest.TestCase):
    def test_arguments_end_at_commas_outside_of_everything(self):
        text = r'5</a\76,b>, "x, \", y", {flags=O_RDONLY, resolve=0}, [1, 2], 24'
        expected = [r"5</a\76,b>", r'"x, \", y"', "{flags=O_RDONLY, resolve=0}", "[1, 2]", "24"]
        self.assertEqual(split_arguments(text), expected)

    def test_no_arguments(self):
        self.assertEqual(split_arguments(""), [])

    def test_comparison_in_flags_is_no_descriptor(self):
        self.assertEqual(split_arguments("1 << 3, 2"), ["1 << 3", "2"])

    def test_strings(self):
        self.assertEqual(unquote(r'"a\"b\\c\n\303\244"'), 'a"b\\c\n\xc3\xa4')
        self.assertEqual(unquote('"cut"...'), "cut")
        self.assertIsNone(unquote("NULL"))
        self.assertIsNone(unquote("0x7ffe"))


class Strace(unittest.TestCase):
    def test_names_and_descriptors(self):
        (call,) = calls(
            '7 openat2(5, "name", {resolve=RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS}, 24) = 6'
        )
        self.assertEqual(call.names, (Name(5, "name"),))
        self.assertEqual(call.resolve, 0x0C)
        self.assertEqual((call.world, call.way()), (World.DIRECT, Way.DESCRIPTOR))

    def test_unfinished_calls_are_put_together_by_thread(self):
        first, second, third = calls(
            '7 mkdirat(AT_FDCWD, "a", 0777 <unfinished ...>',
            '8 unlinkat(4, "b", 0 <unfinished ...>',
            "7 <... mkdirat resumed>) = 0",
            '9 rmdir("c") = 0',
            "8 <... unlinkat resumed>) = -1 ENOENT (No such file or directory)",
        )
        self.assertEqual((first.name, first.names[0].path, first.way()), ("mkdirat", "a", Way.PATH))
        self.assertEqual((second.name, second.way()), ("rmdir", Way.PATH))
        self.assertEqual(
            (third.name, third.names, third.way()), ("unlinkat", (Name(4, "b"),), Way.DESCRIPTOR)
        )

    def test_what_the_kernel_fills_in_comes_with_the_second_half(self):
        (call,) = calls(
            "7 getdents64(3 <unfinished ...>",
            "7 <... getdents64 resumed>, 0x5 /* 2 entries */, 32768) = 48",
        )
        self.assertEqual(call.name, "getdents64")

    def test_every_kind_of_way(self):
        cases = {
            'stat("x", {st_mode=S_IFREG}) = 0': Way.PATH,
            'newfstatat(AT_FDCWD, "x", {}, 0) = 0': Way.PATH,
            'newfstatat(3, "/etc/passwd", {}, 0) = 0': Way.PATH,
            'newfstatat(3, "a/b", {}, 0) = 0': Way.PATH,
            'newfstatat(3, "..", {}, 0) = 0': Way.PATH,
            'newfstatat(3, "a", {}, 0) = 0': Way.DESCRIPTOR,
            'newfstatat(3, "", {}, AT_EMPTY_PATH) = 0': Way.DESCRIPTOR,
            "fchown(3, 0, 0) = 0": Way.DESCRIPTOR,
            "utimensat(3, NULL, [UTIME_NOW, UTIME_NOW], 0) = 0": Way.DESCRIPTOR,
            'lsetxattr("/proc/self/fd/7", "user.a", "b", 1, 0) = 0': Way.PROC_FD,
            'lsetxattr("/proc/self/fd/7/x", "user.a", "b", 1, 0) = 0': Way.PATH,
            'renameat2(3, "a", AT_FDCWD, "b", 0) = 0': Way.PATH,
            'renameat2(3, "a", 4, "b", 0) = 0': Way.DESCRIPTOR,
            'symlinkat("/target", 3, "name") = 0': Way.DESCRIPTOR,
            'symlink("target", "name") = 0': Way.PATH,
            f'openat2(3, "a/b", {{resolve={CONFINED}}}, 24) = 4': Way.DESCRIPTOR,
            'openat2(3, "a/b", {flags=0, resolve=RESOLVE_BENEATH}, 24) = 4': Way.PATH,
        }
        for text, way in cases.items():
            with self.subTest(text):
                self.assertEqual(calls(f"7 {text}")[0].way(), way)

    def test_where_descriptors_lead(self):
        opened, owned = calls(
            '7 openat(5</t/dst>, "n", O_RDONLY) = 6</t/dst/n>', "7 fchown(6</t/dst/n>, 0, 0) = 0"
        )
        self.assertEqual(list(opened.touched()), ["/t/dst/n"])
        self.assertEqual(list(owned.touched()), ["/t/dst/n"])

    def test_calls_that_strace_does_not_know(self):
        listed, by_path, other = calls(
            "7 syscall_0x1d1(0x5, 0x7ffe, 0x100, 0, 0, 0) = 0",
            "7 syscall_0x1cf(0xffffff9c, 0x7ffe, 0, 0, 0, 0) = 0",
            "7 syscall_0x300(0x1) = 0",
        )
        self.assertEqual(
            (listed.name, listed.way(), listed.unseen), ("listxattrat", Way.DESCRIPTOR, True)
        )
        self.assertEqual((by_path.name, by_path.way()), ("setxattrat", Way.PATH))
        self.assertEqual(other.name, "syscall_768")

    def test_looks_at_standard_streams(self):
        cases = {
            "fstat(1, {st_mode=S_IFIFO}) = 0": 1,
            'newfstatat(2, "", {st_mode=S_IFIFO}, AT_EMPTY_PATH) = 0': 2,
            'newfstatat(1</dev/null>, "", {}, AT_EMPTY_PATH) = 0': 1,
            'newfstatat(1, "x", {}, 0) = 0': None,
            "fstat(3, {}) = 0": None,
            "fchown(1, 0, 0) = 0": None,
        }
        for text, stream in cases.items():
            with self.subTest(text):
                self.assertEqual(calls(f"7 {text}")[0].stream, stream)

    def test_ends_and_signals_are_no_calls(self):
        self.assertEqual(
            calls("7 +++ exited with 0 +++", "7 --- SIGCHLD {si_signo=SIGCHLD} ---"), []
        )

    def test_a_call_without_an_end(self):
        self.assertEqual(
            calls("7 exit_group(0) = ?", "7 execve( <unfinished ...>")[0].name, "exit_group"
        )

    def test_anything_else_is_an_error(self):
        with self.assertRaises(BadTrace):
            calls("strace: out of space")


class RingWatch(unittest.TestCase):
    LINES = (
        "7 setup",
        '7 OPENAT2 user_data=0x10 dirfd=-100 path="a b" flags=0 resolve=0xc',
        "7 getdents64",
        r'7 RENAMEAT user_data=0x20 dirfd=4<"/t/s"> path="x\"\134" dirfd=5<"/t/d"> path="y" flags=1',
        '7 READ user_data=0 fd=9<"/t/s/x">',
        "exit 0",
    )

    def test_operations(self):
        opened, listing, renamed, read = submissions.parse(self.LINES)
        self.assertEqual(
            (opened.name, opened.names, opened.resolve), ("openat2", (Name(AT_FDCWD, "a b"),), 12)
        )
        self.assertEqual(
            (opened.world, opened.way(), opened.user_data), (World.RING, Way.PATH, 0x10)
        )
        self.assertEqual(listing, submissions.LISTING)
        self.assertEqual(list(renamed.touched()), ['/t/s/x"\\', "/t/d/y"])
        self.assertEqual((read.name, list(read.touched())), ("read", ["/t/s/x"]))

    def test_a_record_without_its_end_is_an_error(self):
        with self.assertRaises(BadTrace):
            list(submissions.parse(self.LINES[:-1]))


class TraceEvents(unittest.TestCase):
    LINES = (
        "# tracer: nop\n",
        "              sh-41      [000] .....  8.1: sys_io_uring_enter(fd: 3, to_submit: 1)\n",
        "     mirror ctl-4711    [001] ...1.  8.2: io_uring_submit_req: ring 00000000e142820e, req"
        " 00000000af0d3428, user_data 0x7f10, opcode OPENAT2, flags 0x2010, sq_thread 0\n",
        "     mirrorctl-4711    (   4711) [001] .....  8.3: sys_getdents64(fd: 4, count: 8000)\n",
    )

    def test_events(self):
        self.assertEqual(
            list(tracefs.parse(self.LINES)),
            [
                tracefs.Event(tracefs.ENTER, 41),
                tracefs.Event(tracefs.SUBMIT, 4711, "openat2", 0x7F10),
                tracefs.Event(tracefs.LISTING, 4711),
            ],
        )

    def test_lost_events_are_an_error(self):
        with self.assertRaisesRegex(BadTrace, "lost"):
            list(tracefs.parse([*self.LINES, "CPU:1 [LOST 42 EVENTS]\n"]))

    def test_anything_else_is_an_error(self):
        with self.assertRaises(BadTrace):
            list(tracefs.parse(["nonsense\n"]))


if __name__ == "__main__":
    unittest.main()
