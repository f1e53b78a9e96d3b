#!/usr/bin/env python3
"""A database whose every commit is acknowledged, and the judgement on copies of it.

write DIRECTORY JOURNAL ACKNOWLEDGED
    Commits transactions in DIRECTORY/db until it is killed. After each commit its number is written
    to the file ACKNOWLEDGED, and then a synced DIRECTORY/pointer that names it is renamed into place.
check DIRECTORY...
    One line each: the last transaction and the pointer found there, or what is wrong.
"""
import os
import sqlite3
import struct
import sys

ROWS_KEPT = 400


def open_database(path):
    database = sqlite3.connect(path, isolation_level=None, timeout=30)
    # With FULL the removal of a rollback journal, which commits, is not synced.
    database.execute("PRAGMA synchronous=EXTRA")
    return database


def put_pointer(directory, number):
    new = os.path.join(directory, "pointer.new")
    with open(new, "w") as file:
        file.write(f"{number}\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, os.path.join(directory, "pointer"))


def commit(database, number):
    """The table holds the last ROWS_KEPT numbers; what each row is worth follows from its number."""
    database.execute("BEGIN IMMEDIATE")
    database.execute(
        "INSERT INTO t VALUES(?, ?, ?)", (number, number * 7, os.urandom(number * 53 % 9000))
    )
    database.execute("UPDATE t SET bytes = randomblob(500) WHERE n % 17 = ?", (number % 17,))
    database.execute("DELETE FROM t WHERE n <= ?", (number - ROWS_KEPT,))
    database.execute("UPDATE total SET last = ?, worth = worth + ?", (number, number * 7))
    database.execute("COMMIT")


def write(directory, journal, acknowledged):
    database = open_database(os.path.join(directory, "db"))
    database.execute(f"PRAGMA journal_mode={journal}")
    database.execute("PRAGMA wal_autocheckpoint=20")
    database.execute("CREATE TABLE t(n INTEGER PRIMARY KEY, worth INTEGER, bytes BLOB)")
    database.execute("CREATE INDEX by_worth ON t(worth)")
    database.execute("CREATE TABLE total(last INTEGER, worth INTEGER)")
    database.execute("INSERT INTO total VALUES(0, 0)")
    note = os.open(acknowledged, os.O_WRONLY | os.O_CREAT, 0o644)
    number = 0
    while True:
        number += 1
        commit(database, number)
        os.pwrite(note, struct.pack("<q", number), 0)
        put_pointer(directory, number)


def problem_of(database):
    sound = database.execute("PRAGMA integrity_check").fetchall()
    if sound != [("ok",)]:
        return f"integrity_check: {sound}"
    last, worth = database.execute("SELECT last, worth FROM total").fetchone()
    if worth != 7 * last * (last + 1) // 2:
        return f"the sum of {last} transactions is {worth}"
    rows, first, highest = database.execute(
        "SELECT count(*), coalesce(min(n), 1), coalesce(max(n), 0) FROM t"
    ).fetchone()
    if highest != last or rows != min(last, ROWS_KEPT) or first != last - rows + 1:
        return f"{rows} rows from {first} to {highest}, of {last} transactions"
    return None


def check(directory):
    database = open_database(os.path.join(directory, "db"))
    try:
        problem = problem_of(database)
        if problem is not None:
            return problem
        last = database.execute("SELECT last FROM total").fetchone()[0]
    except sqlite3.Error as error:
        return f"{type(error).__name__}: {error}"
    finally:
        database.close()
    try:
        with open(os.path.join(directory, "pointer")) as file:
            pointer = int(file.read())
    except FileNotFoundError:
        pointer = 0
    return f"{last} {pointer}"


def main(words):
    if words[0] == "write":
        write(*words[1:])
    for directory in words[1:]:
        print(check(directory))


if __name__ == "__main__":
    main(sys.argv[1:])
