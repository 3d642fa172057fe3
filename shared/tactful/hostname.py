"""The name of a host in any script, as the wire has it (IDNA). Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# The standard library knows IDNA 2003 alone, which makes other letters of these and so another domain: straße.example and
# strasse.example may be two owners' (RFC 5894 §7.2).
_OTHERWISE: Final = re.compile("[ßẞς]")
_LONGEST: Final = 63  # characters of one label (RFC 1035 §2.3.4)


def ascii_host(name: str) -> str:
    """`xn--…` for each label that is not ASCII. Raises UnicodeError for what is no name."""
    if not _OTHERWISE.search(name):
        return name.encode("idna").decode()
    return ".".join(map(_label, name.split(".")))


def _label(text: str) -> str:
    if not _OTHERWISE.search(text):
        return text.encode("idna").decode()
    label = "xn--" + unicodedata.normalize("NFKC", text.lower()).encode("punycode").decode()
    if len(label) > _LONGEST:
        raise UnicodeError("label too long")
    return label
