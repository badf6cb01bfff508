"""Large messages: signed as they stream by, with no message in memory."""

import threading

from harness import message
from harness.case import Case
from harness.place import token
from harness.postern import is_sanitized
from harness.world import World

WORLD = None
LOGIN = "alice@a.example"
BOTH = ("a.example/ed", "a.example/rsa")
MEGA = 1024 * 1024
LINE = b"0123456789 \xe4\xf6\xfc \t" * 6 + b"\r\n"


def setUpModule():
    global WORLD
    WORLD = World("large", {}, keys=("a.example",))


def tearDownModule():
    WORLD.stop()


def body(octets: int) -> bytes:
    return LINE * (octets // len(LINE))


class Large(Case):
    def story(self):
        return WORLD.story()

    def most_memory(self) -> int:
        """The daemon's peak so far, in octets."""
        with open(f"/proc/{WORLD.postern.process.pid}/status") as file:
            for line in file:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) * 1024
        return 0

    def test_five_thousand_header_fields(self):
        fields = [(f"X-Field-{number % 997}", f"value {number}")
                  for number in range(4900)]
        fields += [("Cc", f"{number}@x.example") for number in range(100)]
        sent = message.compose(LOGIN, headers=fields)
        got = WORLD.deliver(LOGIN, sent, LOGIN)
        self.assertTrue(got.endswith(sent), "changed on its way")
        self.want_signed(got, WORLD.keys, *BOTH)

    def test_large_header_fields(self):
        """Postfix 3.7 cuts a field after 60,000 octets; what is signed is
        what it sends."""
        for count, is_whole in ((3900, True), (6600, False)):
            with self.subTest(count=count):
                sent = message.compose(LOGIN, headers=[
                    ("References", "\r\n ".join(["<x@x.example>"] * count))])
                got = WORLD.deliver(LOGIN, sent, LOGIN)
                self.want(is_whole, got.endswith(sent), "as it was")
                self.want_signed(got, WORLD.keys, *BOTH)

    def test_ten_megabytes(self):
        sent = message.compose(LOGIN, body(10 * MEGA))
        before = self.most_memory()
        got = WORLD.deliver(LOGIN, sent, LOGIN)
        self.assertTrue(got.endswith(sent), "changed on its way")
        self.want_signed(got, WORLD.keys, *BOTH)
        if not is_sanitized():
            grown = self.most_memory() - before
            self.assertLess(grown, 4 * MEGA, "memory grew with the message")

    def test_several_at_once(self):
        sent = message.compose(LOGIN, body(3 * MEGA))
        rcpts = [f"{token()}@out.example" for _ in range(6)]
        replies = []

        def one(rcpt: str) -> None:
            replies.append(WORLD.send(LOGIN, rcpt, sent, LOGIN,
                                      params="BODY=8BITMIME"))

        threads = [threading.Thread(target=one, args=(rcpt,))
                   for rcpt in rcpts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.want([250] * len(rcpts), [reply.code for reply in replies],
                  "replies")
        for rcpt in rcpts[:2]:
            self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                             *BOTH)
        for rcpt in rcpts[2:]:
            WORLD.sink.take(rcpt)
