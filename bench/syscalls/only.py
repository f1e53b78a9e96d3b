"""--only PATH: what has to do with one object, in either tree."""

from collections.abc import Iterable, Iterator

from .calls import Call

_UNNAMED = " (deleted)"  # how /proc shows a file made with O_TMPFILE


class Filter:
    """Keeps the calls that touch one of the paths, and those on the nameless or staged file that
    was given such a name in the end. Marks between the calls are kept."""

    def __init__(self, paths: list[str] | None):
        self._paths = None if paths is None else frozenset(paths)

    def keep(self, items: Iterable[Call | str]) -> Iterator[Call | str]:
        if self._paths is None:
            yield from items
            return
        every = list(items)
        wanted = self._paths | _earlier_names(every, self._paths)
        for item in every:
            if not isinstance(item, Call) or not wanted.isdisjoint(item.touched()):
                yield item
            elif item.name == "getdents64":  # the end of the start-up has to stay visible
                yield item


def _earlier_names(items: list[Call | str], paths: frozenset[str]) -> set[str]:
    found: set[str] = set()
    for item in items:
        if isinstance(item, Call) and item.name in ("renameat", "renameat2", "linkat"):
            touched = set(item.touched())
            if not touched.isdisjoint(paths):
                found |= {path for path in touched if _is_staged(path)}
    return found


def _is_staged(path: str) -> bool:
    return "/.mirrorfs/staging/" in path or path.endswith(_UNNAMED)
