"""Characters that pdfLaTeX cannot set, as mathematics or as their code; no package is needed."""

import re
import unicodedata

_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (\w+)")
_NAMES = {"lamda": "lambda", "epsilon": "varepsilon", "phi": "varphi"}
# The other capitals look like Latin ones, as does omicron, and have no command.
_CAPITALS = ("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega")
_SIGNS = {
    "LESS-THAN OR EQUAL TO": r"\leq",
    "GREATER-THAN OR EQUAL TO": r"\geq",
    "NOT EQUAL TO": r"\neq",
    "ALMOST EQUAL TO": r"\approx",
    "IDENTICAL TO": r"\equiv",
    "TILDE OPERATOR": r"\sim",
    "MUCH LESS-THAN": r"\ll",
    "MUCH GREATER-THAN": r"\gg",
    "LEFT-POINTING DOUBLE ANGLE QUOTATION MARK": r"\ll",
    "RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK": r"\gg",
    "MINUS SIGN": "-",
    "DOT OPERATOR": r"\cdot",
    "RING OPERATOR": r"\circ",
    "ASTERISK OPERATOR": r"\ast",
    "INFINITY": r"\infty",
    "PARTIAL DIFFERENTIAL": r"\partial",
    "NABLA": r"\nabla",
    "SQUARE ROOT": r"\surd",
    "N-ARY SUMMATION": r"\sum",
    "N-ARY PRODUCT": r"\prod",
    "PROPORTIONAL TO": r"\propto",
    "ELEMENT OF": r"\in",
    "PARALLEL TO": r"\parallel",
    "PRIME": "{}'",
    "LEFTWARDS ARROW": r"\leftarrow",
    "RIGHTWARDS ARROW": r"\rightarrow",
    "LEFT RIGHT ARROW": r"\leftrightarrow",
    "UPWARDS ARROW": r"\uparrow",
    "DOWNWARDS ARROW": r"\downarrow",
    "RIGHTWARDS DOUBLE ARROW": r"\Rightarrow",
}
# Letters of Latin-1 and Latin Extended-A that the default font lacks.
_LACKING = {*"ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ"}
# Dashes, quotation marks, daggers, the bullet, the ellipsis, per mille, the euro and the trademark.
_PUNCTUATION = {*"\u2013\u2014\u2018\u2019\u201c\u201d\u2020\u2021\u2022\u2026\u2030\u20ac\u2122"}
_KNOWN = {chr(code) for code in range(0xA0, 0x180)} - _LACKING | _PUNCTUATION


def settable(text: str) -> str:
    """Return a text that pdfLaTeX can set, apart from its own special characters in ASCII."""
    return "".join(map(_settable, unicodedata.normalize("NFC", text)))


def _settable(character: str) -> str:
    if formula := _formula(unicodedata.name(character, "")):
        return f"${formula}$"
    if character.isascii() or character in _KNOWN:
        return character
    # Such as the letter of a mathematical alphabet.
    plain = unicodedata.normalize("NFKC", character)
    return settable(plain) if plain != character else f"U+{ord(character):04X}"


def _formula(name: str) -> str:
    """Return a Greek letter or a sign, by its name in Unicode, as mathematics; empty if it is neither."""
    found = _GREEK.fullmatch(name)
    if found is None or found[2] == "OMICRON":
        return _SIGNS.get(name, "")
    if found[1] == "SMALL":
        return rf"\{_NAMES.get(found[2].lower(), found[2].lower())}"
    capital = found[2].capitalize().replace("Lamda", "Lambda")
    return rf"\{capital}" if capital in _CAPITALS else ""
