"""case: a test case whose failures say what was wanted, what came, and what
the logs hold."""

import unittest

from . import dkimcheck
from .place import wait_until


class Case(unittest.TestCase):
    """story() is the subclass's (or its module's): the logs' ends."""

    maxDiff = 4000

    def story(self) -> str:
        return ""

    def _formatMessage(self, msg, standardMsg):
        text = super()._formatMessage(msg, standardMsg)
        return f"{text}\n{self.story()}"

    def want(self, wanted, got, what: str) -> None:
        if wanted != got:
            self.fail(f"{what}: wanted {wanted!r}, got {got!r}")

    def want_reply(self, reply, code: int, status: str = "", *words) -> None:
        """An SMTP reply with this code, enhanced status and words."""
        wanted = f"{code} {status} with {words}"
        if (reply.code != code or (status and reply.status != status)
                or any(word not in reply.words for word in words)):
            self.fail(f"wanted {wanted}, got {reply}")

    def want_answer(self, answer, name: str, *words) -> None:
        """A milter answer of this name, whose reply has these words."""
        if answer.name != name or any(word not in answer.reply
                                      for word in words):
            self.fail(f"wanted {name} with {words}, got {answer}")

    def until_remembered(self, send):
        """Call send until it is refused at MAIL; that answer (or reply) is
        returned. What another test changed may be noticed a moment later, and
        all that is remembered goes with it."""
        def remembered():
            answer = send()
            return answer if answer.stage.upper() == "MAIL" else None

        return wait_until(remembered, "a refusal that is remembered")

    def want_leaves(self, answer) -> None:
        """The message goes on its way."""
        if answer.name not in ("continue", "accept"):
            self.fail(f"wanted continue or accept, got {answer}")

    def want_fields(self, line: dict, **wanted) -> None:
        """Fields of a log line."""
        for name, value in wanted.items():
            name = name.rstrip("_")
            if line.get(name) != str(value):
                self.fail(f"log field {name}: wanted {value!s}, got "
                          f"{line.get(name)!r} in {line}")

    def want_signed(self, message: bytes, keys, *wanted: str) -> None:
        """The message has exactly these signatures ("a.example/rsa"), and
        both verifiers find each of them good."""
        names = sorted(wanted)
        self.want(names, dkimcheck.names(message), "signatures")
        passes = [f"{one} pass" for one in names]
        self.want(passes, dkimcheck.by_python(message, keys.records),
                  "python3-dkim")
        self.want(passes, dkimcheck.by_perl(message, keys.records),
                  "Mail::DKIM")
