"""Text that is safe to show: in one line, without what steers a terminal or ends the drawing of a chart."""

import unicodedata

# Control and format characters, halves of surrogate pairs, and ends of lines. Charts are SVG, so XML, which excludes
# most control characters, surrogates and the two non-characters (https://www.w3.org/TR/xml/#charsets).
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NON_CHARACTERS = "\ufffe\uffff"
_MOST = 400


def is_plain(text: str) -> bool:
    """Whether the text is one line of characters that can be shown anywhere."""
    return not any(map(_is_unsafe, text))


def plain(text: str) -> str:
    """The text in one line, with a replacement character for each character that cannot be shown."""
    if is_plain(text):
        return text
    line = " ".join(text.splitlines())
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_unsafe(each) else each for each in line)


def quoted(text: str, most: int = _MOST) -> str:
    """A name or a content of a file as part of a message: escaped as in Python's source, and cut where it is long."""
    shown = "".join(_escaped(each) if _is_unsafe(each) else each for each in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[:most]}…"


def _is_unsafe(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    return unicodedata.category(character) in _UNSAFE or character in _NON_CHARACTERS


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
