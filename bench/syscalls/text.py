"""The notation that strace and ring_watch share: quoted strings, nested arguments."""

import re

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def unquote(text: str) -> str | None:
    """The string between quotes, each byte as one character; None for NULL and addresses."""
    if not text.startswith('"'):
        return None
    end = text.rindex('"')

    def plain(match: re.Match) -> str:
        code = match[1]
        if code[0] in "01234567":
            return chr(int(code, 8))
        if code[0] == "x" and len(code) == 3:
            return chr(int(code[1:], 16))
        return _ESCAPES.get(code, code)

    return _ESCAPE.sub(plain, text[1:end])


def split_arguments(text: str) -> list[str]:
    """Splits at the commas that are not inside strings, brackets or <…>."""
    parts: list[str] = []
    begin = 0
    expected: list[str] = []
    quoted = False
    position = 0
    while position < len(text):
        char = text[position]
        if quoted:
            if char == "\\":
                position += 1
            elif char == '"':
                quoted = False
        elif char == '"':
            quoted = True
        elif char == "<" and text[position - 1 : position].isalnum():
            # A descriptor's path: strace escapes every '>' in it.
            position = max(text.find(">", position), position)
        elif char in _CLOSING:
            expected.append(_CLOSING[char])
        elif expected and char == expected[-1]:
            expected.pop()
        elif char == "," and not expected:
            parts.append(text[begin:position].strip())
            begin = position + 1
        position += 1
    last = text[begin:].strip()
    return parts + [last] if last or parts else []
