"""What somebody may text back, and what they are answered. Pure.

Words that end it: CTIA messaging principles and 47 CFR 64.1200(a)(10): stop, quit, end, revoke, opt out, cancel,
unsubscribe, "by any reasonable means"; here also in Russian and Spanish. The first word that is no courtesy decides, since
people write "stop please" and "please stop". One confirmation is allowed, and it says nothing else.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final
from unicodedata import normalize


class Said(Enum):
    """What a text means."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    REPLY = "reply"


_WORDS: Final = {
    Said.STOP: "stop stopall unsubscribe unsub cancel end quit revoke optout стоп отписаться отпишите отпиши отписка отстаньте прекратите хватит отмена "
    "baja cancelar parar alto",
    Said.START: "start unstop старт alta",
    Said.HELP: "help info помощь инфо ayuda",
}
_NO: Final = frozenset({"no", "нет"})
_COURTESY: Final = frozenset(
    [
        *_NO,
        "text",
        "thanks",
        "thank",
        "please",
        "pls",
        "plz",
        "hi",
        "hey",
        "hello",
        "ok",
        "just",
        "can",
        "could",
        "would",
        "will",
        "you",
        "i",
        "want",
        "need",
        "to",
        "reply",
        "спасибо",
        "я",
        "больше",
        "пожалуйста",
        "прошу",
        "хочу",
        "ответьте",
        "gracias",
        "por",
        "favor",
        "quiero",
    ]
)
# These are orders of other things, or the beginning of a question, if more follows.
_ALONE: Final = frozenset(
    ["cancel", "cancelar", "end", "quit", "отмена", "хватит", "alto", "parar", *_WORDS[Said.HELP].split()]
)
# Said in several words, of which one alone may mean anything.
_STOP: Final = re.compile(
    r"(?i)\b(?:opt[\s-]+(?:me\s+)?out|un-subscribe|remove\s+(?:me|my\s+number)|take\s+me\s+off\s+(?:the|your)"
    r"|(?:do\s+not|don['\N{RIGHT SINGLE QUOTATION MARK}]?t)\s+(?:text|message|contact\s+me)|no\s+more\s+(?:texts|messages)"
    r"|leave\s+me\s+alone|не\s+(?:пишите|присылайте|надо\s+(?:мне\s+)?писать)|(?:удалите|уберите)\s+(?:меня|мой\s+номер)"
    r"|d[aá]r?me\s+de\s+baja|dar\s+de\s+baja|no\s+(?:quiero\s+)?m[aá]s\s+mensajes)\b"
)
_WISH: Final = re.compile(r"(?i)\b(?:i['\N{RIGHT SINGLE QUOTATION MARK}]?d|would)\s+like\b")
_MEANING: Final = {word: said for said, words in _WORDS.items() for word in words.split()}
_ANSWERS: Final = {
    "en": {
        Said.STOP: "{shop}: you will get no more texts from us.",
        Said.START: "{shop}: texts from us can reach you again. What you agreed to is on your preference page.",
        Said.HELP: "{shop}: write to {reply_to}. Reply STOP to get no more texts.",
    },
    "ru": {
        Said.STOP: "{shop}: больше не будем писать на этот номер.",
        Said.START: "{shop}: сообщения снова могут приходить. Согласие можно проверить на странице настроек.",
        Said.HELP: "{shop}: напишите на {reply_to}. Ответьте СТОП, чтобы больше не получать сообщений.",
    },
}


def meaning(text: str) -> Said:
    """By the first word but courtesies, whatever its case and punctuation; "opt out" and its like count as one word. Who
    wants an order cancelled wants no end of texts, who asks for help with something no standing words, and who writes "no start" no
    start: a person reads that."""
    words = re.findall(r"\w+", _WISH.sub("please", _STOP.sub("stop", normalize("NFKC", text))).lower())
    telling = [word for word in words if word not in _COURTESY]
    if not telling or (telling[0] in _ALONE and len(telling) > 1):
        return Said.REPLY
    said = _MEANING.get(telling[0], Said.REPLY)
    return said if said is Said.STOP or _NO.isdisjoint(words[: words.index(telling[0])]) else Said.REPLY


def answer(said: Said, shop: str, reply_to: str, locale: str) -> str:
    """The words to text back; "" for a plain reply, which a person answers."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    known = _ANSWERS.get(language, _ANSWERS["en"])
    return known[said].format(shop=shop, reply_to=reply_to) if said in known else ""
