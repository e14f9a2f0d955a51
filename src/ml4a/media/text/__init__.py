"""Text that is to be read aloud: cut into what is said in one breath, and written as it is spoken.

from ml4a.media import text

text.sentences("Dr. Smith paid $3.50. Nobody knew why.")     # ["Dr. Smith paid $3.50.", "Nobody knew why."]
text.english.clean("Dr. Smith paid $3.50.")                  # "doctor smith paid three dollars, fifty cents."
"""

from __future__ import annotations

from . import english as english
from ._sentences import paragraphs, sentences

__all__ = ["english", "paragraphs", "sentences"]
