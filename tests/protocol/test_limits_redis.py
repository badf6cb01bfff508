"""Names that are hostile, on their way into Redis and out: an account is
stored as it is, shown safely, and never meets another one's count."""

import json

from harness import message, redis
from harness.place import token
from harness.relaycase import RelayCase
from harness.relays import Relays

RELAYS = None
MOST = 3
LONGEST = 512


def setUpModule():
    global RELAYS
    RELAYS = Relays("redis-names", redis.Server)


def tearDownModule():
    RELAYS.stop()


def limit(key: str, count: str = "messages", most: int = MOST) -> dict:
    return {"key": key, "count": count, "max": most, "per": "1h",
            "action": "tempfail"}


class Names(RelayCase):
    COUNT = 1
    SETTINGS = {
        ("limit", "l"): limit("account"),
        ("limit", "l.x"): limit("account", "recipients", 1000),
        ("limit", "address"): limit("client_ip", most=100000),
        ("limit", "seen"): limit("account", "new_recipients", 1000),
    }

    @classmethod
    def relays(cls):
        return RELAYS

    def setUp(self):
        super().setUp()
        self.bench = self.benches[0]

    def sent(self, login, rcpts="r@out.example"):
        """A message of a login of any octets: macros have them raw."""
        return self.bench.send("x@a.example", message.compose("x@a.example"),
                               login, rcpts, {"address": self.address})

    def want_own_count(self, logins) -> None:
        """Each has all its room, whatever the others have used."""
        for login in logins:
            for _ in range(MOST):
                self.want_leaves(self.sent(login))
        for login in logins:
            self.want_refused(self.sent(login), "450 4.7.1", 'limit "l"')

    def test_octets_of_all_sorts(self):
        word = token()
        self.want_own_count([
            f"{word}", f"{word}\n", f"{word}\r\nx", f"{word}{{a}}",
            f"{word}}}", f"{{{word}", f"{word}*", f"{word}?", f"{word}[a-z]",
            f"{word}\\", f"{word}\t", f"{word} ", f"{word}/x", f"/{word}",
            f"{word}'\"", f"{word}%00", f"{word}:1", f"{word}$1",
            word.encode() + b"\xff\xfe", word.encode() + b"\x01\x1b[2J",
            word.encode() + b"\xc3\xa9",
        ])

    def test_case_is_folded(self):
        for login in (self.login, self.login.upper(), self.login.title()):
            self.want_leaves(self.sent(login))
        self.want_refused(self.sent(self.login), "450 4.7.1")

    def test_slash_leads_into_no_other_limit(self):
        """"x/y" under limit "l" is not "y" under a limit "l/x"; nor does a
        name that looks like a key of Redis reach one."""
        word = token()
        self.want_own_count([f"x/{word}", word, f"n/l/{word}",
                             f"{{{self.prefix}}}:n/l/{word}",
                             f"o/l/{word}", f".x/{word}"])

    def test_longest_name(self):
        longest = (token() + "x" * LONGEST)[:LONGEST]
        other = longest[:-1] + "y"
        self.want_own_count([longest, other])
        self.want(2, len([key for key in RELAYS.redis.keys()
                          if longest[:-1].encode() in key
                          and b"n/l/" in key]), "keys of the two")

    def test_too_long_a_name(self):
        before = RELAYS.redis.keys()
        login = (token() + "x" * LONGEST)[:LONGEST + 1]
        answer = self.sent(login)
        self.want_refused(answer, "550 5.7.1", stage="mail")
        line = self.bench.postern.line(event="message",
                                       reason="account_name")
        self.want_fields(line, action="reject")
        self.assertIn(login[:100], line["account"])
        self.want(before, RELAYS.redis.keys(), "keys")

    def test_keys_are_under_the_prefix(self):
        self.want_leaves(self.sent(self.login))
        head = f"{{{self.prefix}}}:".encode()
        ours = [key for key in RELAYS.redis.keys()
                if self.login.encode() in key]
        self.want(3, len([key for key in ours if b":n/" in key]),
                  f"windows in {ours}")
        for key in ours:
            self.assertTrue(key.startswith(head), key)

    def test_prefix_that_is_a_pattern_of_another(self):
        """What one prefix holds isn't counted, shown or reset by another."""
        other = self.add(prefix=self.prefix + "x")
        self.benches.append(other)
        for _ in range(MOST):
            self.want_leaves(self.sent(self.login))
        self.want_used(0, other, "l")
        self.want_left(other, 1)
        self.ctl(other, "limits", "reset", self.login)
        self.want_used(MOST, self.bench, "l")

    def test_shown_safely(self):
        """posternctl prints no control octet that came from a name."""
        self.assertTrue(self.sent(b"evil\x1b[2J\x07\nname").ok)
        self.want_leaves(self.sent("plain*"))
        self.ctl(self.bench, "block", "bad\x1bname", "--reason", "tried")
        for words in (("top", "-n", "100"), ("blocked",)):
            ran = self.bench.postern.ctl(*words)
            for octet in b"\x1b\x07":
                self.assertNotIn(bytes([octet]), ran.stdout, words)
            got = json.loads(self.ctl(self.bench, "--json", *words).out)
            self.assertTrue(got, words)
        top = json.loads(self.ctl(self.bench, "--json", "top", "--limit",
                                  "l", "-n", "100").out)
        names = [one["name"] for one in top["limits"][0]["top"]]
        self.assertIn("plain*", names)
        self.assertTrue([one for one in names if one.startswith("evil")
                         and one.endswith("name")], names)
        self.ctl(self.bench, "unblock", "bad\x1bname")

    def test_top_takes_no_pattern(self):
        """A limit's name with a dot is no pattern for another's keys."""
        self.want_leaves(self.sent(self.login, [f"{token()}@out.example"
                                                for _ in range(20)]))
        for name, used in (("l", 1), ("l.x", 20)):
            top = json.loads(self.ctl(self.bench, "--json", "top", "--limit",
                                      name, "-n", "1000").out)["limits"]
            self.want([name], [one["limit"] for one in top], "limits")
            self.want([used], [one["used"] for one in top[0]["top"]
                               if one["name"] == self.login], name)
