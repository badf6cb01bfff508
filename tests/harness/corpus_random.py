"""corpus_random: messages put together by chance, the same ones every time."""

import random

from .corpus_mail import COLON, LOGIN, OWN, Mail, lines

_SEED = 6376
_COUNT = 60

_ATEXT = "abcxyzABC019!#$%&'*+-/=?^_`{|}~"
_WORDS = ("a", "Alice", "=?utf-8?q?=C3=AB?=", "x" * 70, "\u00e9", "\u4f60",
          ";", ":", "v=1;", "<x@x.example>", "\"q r\"", "(c)", "\x7f", "=")
_NAMES = ("Subject", "To", "Cc", "Reply-To", "References", "In-Reply-To",
          "Date", "Message-Id", "MIME-Version", "List-Unsubscribe",
          "List-Unsubscribe-Post", "List-Id", "Sender", "Resent-From",
          "Resent-To", "X-One", "X-Two", "X-Mailer", "Received",
          "DKIM-Signature", "Comments", "Precedence")
_BODY = (b" ", b"\t", b"  ", b"\r\n", b"\r\n\r\n", b"x", b"\xe4", b"=", b".",
         b"a" * 70, b" \r\n", b"\t\r\n", b"\r\n.", b"\r\n ", b"word ",
         b"\x00", b"\x0b", b"--b1\r\n", b"From: x@x\r\n")


class _Maker:
    """Chooses; the same seed, the same choices."""

    def __init__(self, seed: int):
        self.chance = random.Random(seed)

    def one(self, choices):
        return self.chance.choice(choices)

    def case(self, name: str) -> str:
        return self.one((name, name.upper(), name.lower(), "".join(
            self.one((letter.upper(), letter.lower())) for letter in name)))

    def blank(self, least: int = 0) -> str:
        """Blanks, perhaps with folds, perhaps with lines of blanks."""
        text = "".join(self.one((" ", "\t", "\r\n ", "\r\n\t", "\r\n  \t"))
                       for _ in range(self.chance.choice((0, 1, 1, 1, 3))))
        return text if len(text) >= least else " "

    def value(self) -> str:
        """No CR or LF but those of folds; perhaps empty."""
        text = self.blank()
        for _ in range(self.chance.randrange(12)):
            text += self.one(_WORDS) + self.blank(self.chance.randrange(2))
        return text

    def atom(self) -> str:
        return "".join(self.chance.choices(
            _ATEXT, k=self.chance.randrange(1, 20)))

    def address(self) -> str:
        local = self.one((LOGIN.partition("@")[0], self.atom(),
                          f"{self.atom()}.{self.atom()}",
                          "\"a b\"", "\"x@y\""))
        domain = self.case(self.one((OWN, f"sub.{OWN}", f"x-1.{OWN}")))
        if self.chance.random() < 0.3:
            domain = domain.replace(".", self.blank() + "." + self.blank())
            return f"{local}{self.blank()}@{self.blank()}{domain}"
        return f"{local}@{domain}"

    def comment(self) -> str:
        if self.chance.random() < 0.7:
            return ""
        return "(" + self.one(("x", "a(b)c", "\\)", "x" + self.blank() + "y",
                               "\u00e9")) + ")"

    def mailbox(self) -> str:
        around = (self.comment() + self.blank(), self.blank()
                  + self.comment())
        if self.chance.random() < 0.4:
            return around[0] + self.address() + around[1]
        phrase = self.one(("Alice", "\"A, B.\"", "=?utf-8?q?=C3=AB?=",
                           "A. L. Ice", "\u4f60", "\"\"", "a" * 60))
        return (f"{around[0]}{phrase}{self.blank()}<{self.address()}>"
                f"{around[1]}")

    def author(self) -> str:
        boxes = [self.mailbox()
                 for _ in range(self.chance.choice((1, 1, 1, 2, 4)))]
        text = ",".join(boxes)
        if self.chance.random() < 0.15:
            text = f" Group: {text};"
        return self.case("From") + ":" + text

    def field(self) -> str:
        space = self.one(("", "", "", "", "", "", "", "", "", " "))
        return f"{self.case(self.one(_NAMES))}{space}:{self.value()}"

    def message(self) -> bytes:
        fields = [self.field()
                  for _ in range(self.chance.randrange(30))]
        fields.insert(self.chance.randrange(len(fields) + 1), self.author())
        body = b"".join(self.chance.choices(
            _BODY, k=self.chance.randrange(120)))
        return lines(*fields) + b"\r\n" + body + b"\r\n"


def _has_blank_before_colon(message: bytes) -> bool:
    head = message.partition(b"\r\n\r\n")[0]
    return any(b" :" in line.partition(b":")[0] + b":"
               for line in head.split(b"\r\n")
               if line[:1] not in (b" ", b"\t"))


def mails() -> list:
    made = []
    for number in range(_COUNT):
        message = _Maker(_SEED + number).message()
        made.append(Mail(
            f"random: {number}", "RFC 5322", message,
            altered=COLON if _has_blank_before_colon(message) else ""))
    return made
