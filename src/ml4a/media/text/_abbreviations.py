"""English abbreviations: what they stand for, and which of them a sentence may end with."""

from __future__ import annotations

SPOKEN = {
    "capt": "captain",
    "co": "company",
    "col": "colonel",
    "dr": "doctor",
    "drs": "doctors",
    "esq": "esquire",
    "ft": "fort",
    "gen": "general",
    "hon": "honorable",
    "jr": "junior",
    "lt": "lieutenant",
    "ltd": "limited",
    "maj": "major",
    "mr": "mister",
    "mrs": "misess",
    "rev": "reverend",
    "sgt": "sergeant",
    "st": "saint",
}
"""As the voices of Tacotron learnt them, "misess" included."""

BEFORE_NAMES = frozenset(
    (
        *("adm", "attn", "brig", "capt", "cf", "cmdr", "col", "cpl", "dr", "drs", "e.g", "fr", "ft", "gen", "gov"),
        *("hon", "i.e", "lt", "maj", "messrs", "mlle", "mme", "mr", "mrs", "ms", "mt", "pres", "prof", "rep", "rev"),
        *("sen", "sgt", "st", "vs"),
    )
)
"""No sentence ends with these: something follows."""

BEFORE_NUMBERS = frozenset(("art", "ca", "ch", "eq", "fig", "figs", "no", "nos", "nr", "op", "p", "pp", "sec", "vol"))
"""No sentence ends with these if a number follows."""

AT_ENDS_TOO = frozenset(
    (
        *("al", "apr", "aug", "ave", "bros", "co", "corp", "dec", "dept", "est", "esq", "etc", "feb", "inc", "jan"),
        *("jr", "ltd", "mar", "nov", "oct", "ph.d", "sep", "sept", "sr"),
    )
)
"""A sentence ends with these if a capital follows."""
