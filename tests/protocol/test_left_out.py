"""A signature that can't be made of a message is left out; all others are
made, are good, and the log says which ones are missing and why."""

from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.milterclient import applied
from harness.place import token

OWN = "a.example"
PROVIDER = "provider.example"
BENCH = None

MANY = [("To", f"{one}@out.example") for one in range(1500)]


def setUpModule():
    global BENCH
    BENCH = Bench("left-out", keys=(OWN, PROVIDER))


def tearDownModule():
    BENCH.stop()


def settings(engine: str) -> dict:
    """The provider's signature has room for fewer To fields, and no other
    form of a field than the one it came in."""
    return {
        ("limit", "plenty"): {"key": "account", "count": "messages",
                              "max": 100000, "per": "1d"},
        "sign": {"canonicalization": "relaxed/relaxed", "engine": engine,
                 "also_sign": PROVIDER, "self_check": "100%"},
        ("domain", PROVIDER): {"canonicalization": "simple/simple",
                               "oversign": ["From", "To"]},
    }


class LeftOut:
    ENGINE = ""

    @classmethod
    def setUpClass(cls):
        BENCH.postern.restart(settings(cls.ENGINE))

    def story(self):
        return BENCH.story()

    def want_by(self, octets: bytes, login: str, *domains: str) -> dict:
        """Signed by both keys of each of domains; the message's log line."""
        answer = BENCH.send(login, octets, login)
        names = sorted(f"{one}/{key}" for one in domains
                       for key in ("ed", "rsa"))
        self.want_leaves(answer)
        self.want_signed(applied(octets, answer), BENCH.keys, *names)
        line = BENCH.postern.line(event="message", account=login)
        self.want(names or ["none"], sorted(line["dkim"].split(",")), "dkim")
        self.want("good" if names else None, line.get("self_check"),
                  "self_check")
        return line

    def want_left_out(self, line: dict, domain: str, why: str) -> None:
        """Both keys of one domain, for one reason."""
        names, _, words = line["left_out"].partition(": ")
        self.want([f"{domain}/ed", f"{domain}/rsa"],
                  sorted(names.split(",")), "left out")
        self.assertIn(why, words)
        self.assertNotIn("unsigned", line)

    def test_none(self):
        login = f"{token()}@{OWN}"
        line = self.want_by(message.compose(
            login, headers=[("To", "a\vb <x@out.example>")]), login,
            OWN, PROVIDER)
        self.assertNotIn("left_out", line)

    def test_by_canonicalization(self):
        login = f"{token()}@{OWN}"
        line = self.want_by(
            message.compose(f"Al\vice <{login}>"), login, PROVIDER)
        self.want_left_out(line, OWN, "header field From: it has a vertical")

    def test_by_a_list(self):
        login = f"{token()}@{OWN}"
        line = self.want_by(
            message.compose(login, headers=MANY), login, OWN)
        self.want_left_out(line, PROVIDER, "occurs too often")

    def test_all(self):
        """The first reason is the message's."""
        login = f"{token()}@{OWN}"
        line = self.want_by(message.compose(
            f"Al\vice <{login}>", headers=MANY), login)
        self.assertIn("it has a vertical tab", line["unsigned"])
        self.assertNotIn("left_out", line)


class Postern(LeftOut, Case):
    ENGINE = "postern"


class Opendkim(LeftOut, Case):
    ENGINE = "opendkim"
