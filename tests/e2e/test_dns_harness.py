"""The DNS that the tests of preflight rest on, by itself: no daemon."""

import socket
import time

import dns.exception
import dns.flags

from harness import dns as servers
from harness.case import Case
from harness.dns import Nsd, ScriptedDns, ask, words
from harness.place import Place
from harness.zone import Zone

ODD = "tab\tand\nline \x7f\xe4\"\\.example.com"
LONG = "v=spf1 " + "ip4:192.0.2.1 " * 60 + "-all"
ZONE = {
    "example.com": [["TXT", "v=spf1 -all"], ["TXT", ["one ", "two"]],
                    ["MX", 10, "mx.example.com"], ["MX", 20, ""],
                    ["A", "192.0.2.1"], ["AAAA", "2001:db8::1"]],
    "empty.example.com": [],
    "a.b.example.com": [["TXT", LONG]],
    "*.wild.example.com": [["TXT", "any"]],
    "there.wild.example.com": [["A", "192.0.2.2"]],
    "alias.example.com": [["CNAME", "end.example.com"]],
    "end.example.com": [["TXT", "at the end"]],
    "to.nowhere.example.com": [["CNAME", "not-there.example.com"]],
    "1.2.0.192.in-addr.arpa": [["PTR", ODD]],
    "_dmarc.com": [["TXT", "v=DMARC1; p=none"]],
    "octets.example.com": [["TXT", "\u0000\u00ff\"\\;"]],
    ODD: [["TXT", "odd"]],
}
LONG_STRINGS = " ".join(f'"{LONG[at:at + 255]}"'
                        for at in range(0, len(LONG), 255))
# name, type, what must be said
ANSWERS = [
    ("example.com", "TXT", ['"one " "two"', '"v=spf1 -all"']),
    ("example.com", "MX", ["10 mx.example.com.", "20 ."]),
    ("EXAMPLE.com", "A", ["192.0.2.1"]),
    ("example.com", "AAAA", ["2001:db8::1"]),
    ("example.com", "PTR", []),
    ("empty.example.com", "TXT", []),
    ("b.example.com", "TXT", []),
    ("a.b.example.com", "TXT", [LONG_STRINGS]),
    ("none.example.com", "TXT", ["NXDOMAIN"]),
    ("below.a.b.example.com", "A", ["NXDOMAIN"]),
    ("x.y.wild.example.com", "TXT", ['"any"']),
    ("x.wild.example.com", "A", []),
    ("there.wild.example.com", "TXT", []),
    ("x.there.wild.example.com", "TXT", ["NXDOMAIN"]),
    ("alias.example.com", "TXT", ['"at the end"', "end.example.com."]),
    ("to.nowhere.example.com", "TXT", ["NXDOMAIN"]),
    ("_dmarc.com", "TXT", ['"v=DMARC1; p=none"']),
    ("com", "TXT", []),
    ("org", "A", ["NXDOMAIN"]),
    ("octets.example.com", "TXT", ['"\\000\\255\\"\\\\;"']),
    ("1.2.0.192.in-addr.arpa", "PTR",
     ['tab\\009and\\010line\\032\\127\\228\\"\\\\.example.com.']),
    (ODD, "TXT", ['"odd"']),
]


class BothServers(Case):
    """A dict means the same to nsd and to the scripted server."""

    def check(self, server) -> None:
        for name, kind, wanted in ANSWERS:
            with self.subTest(name=name, kind=kind):
                self.want(sorted(wanted),
                          sorted(words(ask(server.port, name, kind))),
                          f"{kind} of {name!r}")

    def test_nsd(self):
        place = Place("dns")
        self.addCleanup(place.remove)
        nsd = Nsd(place, ZONE).start()
        self.addCleanup(nsd.stop)
        self.check(nsd)

    def test_scripted(self):
        scripted = ScriptedDns(ZONE)
        self.addCleanup(scripted.stop)
        self.check(scripted)


class OneNsd(Case):
    def setUp(self):
        self.place = Place("nsd")
        self.addCleanup(self.place.remove)

    def nsd(self, zones) -> Nsd:
        made = Nsd(self.place, zones).start()
        self.addCleanup(made.stop)
        return made

    def test_other_zones_while_it_runs(self):
        nsd = self.nsd({"a.example": [["TXT", "1"]]})
        for count in range(2, 6):
            nsd.load({"a.example": [["TXT", str(count)]]})
            self.want([f'"{count}"'], words(ask(nsd.port, "a.example")),
                      "after a reload")

    def test_zone_file(self):
        nsd = self.nsd("a.example. 5 IN TXT \"a\"\n"
                       "*.a.example. 5 IN CNAME a.example.\n")
        answer = ask(nsd.port, "x.a.example")
        self.want(["a.example.", '"a"'], words(answer), "by the alias")
        self.want(5, answer.answer[0].ttl, "TTL")

    def test_tcp_when_it_is_long(self):
        nsd = self.nsd({"a.example": [["TXT", "x" * 60000]]})
        self.assertEqual(60000, sum(map(len, ask(
            nsd.port, "a.example").answer[0][0].strings)))

    def test_bad_zone_is_told(self):
        with self.assertRaisesRegex(ValueError, "not-an-address"):
            self.nsd("a.example. 5 IN A not-an-address\n")
        nsd = self.nsd({})
        with self.assertRaisesRegex(ValueError, "root.zone"):
            nsd.load("a.example. 5 IN NOSUCH 1\n")

    def test_no_zone_file_loses(self):
        for lost in ("SERVFAIL", ["TIMEOUT", "A"]):
            self.assertTrue(Zone({"a.example": [lost]}).is_lossy())
            with self.assertRaises(ValueError):
                Nsd(self.place, {"a.example": [lost]}, name="lossy")
        self.assertFalse(Zone(ZONE).is_lossy())


class Scripted(Case):
    def setUp(self):
        self.dns = ScriptedDns({
            "a.example": [["TXT", "right"], ["A", "192.0.2.1"]],
            "servfail.example": ["SERVFAIL"],
            "timeout.example": [["TIMEOUT", "TXT"], ["A", "192.0.2.1"]]})
        self.addCleanup(self.dns.stop)

    def story(self):
        return self.dns.story()

    def ask(self, name="a.example", kind="TXT", **how):
        return ask(self.dns.port, name, kind, **how)

    def want_words(self, wanted, name="a.example", kind="TXT"):
        self.want(wanted, words(self.ask(name, kind)), f"{kind} of {name}")

    def want_silence(self, name="a.example", kind="TXT", **how):
        with self.assertRaises(dns.exception.Timeout):
            self.ask(name, kind, seconds=0.2, **how)

    def behave(self, how, kind=""):
        self.dns.behave("a.example", how, kind)

    def test_zone_that_loses(self):
        self.want_words(["SERVFAIL"], "servfail.example")
        self.want_words(["SERVFAIL"], "servfail.example", "A")
        self.want_silence("timeout.example")
        self.want_words(["192.0.2.1"], "timeout.example", "A")

    def test_errors(self):
        for how, wanted in ((servers.servfail, ["SERVFAIL"]),
                            (servers.refused, ["REFUSED"]),
                            (servers.nxdomain, ["NXDOMAIN"])):
            self.behave(how)
            self.want_words(wanted)
            self.want_words(wanted, "below.a.example")
        self.behave(None)
        self.want_words(['"right"'])

    def test_silence_for_a_type(self):
        self.behave(servers.silence, "TXT")
        self.want_silence()
        self.want_silence(tcp=True)
        self.want_words(["192.0.2.1"], kind="A")
        self.dns.heal()
        self.want_words(['"right"'])

    def test_the_nearest_name_counts(self):
        self.dns.behave("", servers.refused)
        self.behave(servers.says(["TXT", "said"]))
        self.want_words(["REFUSED"], "b.example")
        self.want_words(['"said"'], "x.y.a.example")

    def test_slow(self):
        self.behave(servers.slow(0.1))
        begun = time.monotonic()
        self.want_words(['"right"'])
        self.assertGreaterEqual(time.monotonic() - begun, 0.1)
        self.want_silence_of_a_slow_one()

    def want_silence_of_a_slow_one(self):
        self.behave(servers.slow(60))
        self.want_silence()
        self.want_words(["NXDOMAIN"], "b.example")

    def test_all_are_slow(self):
        self.dns.delay = 0.1
        begun = time.monotonic()
        self.want_words(["NXDOMAIN"], "b.example")
        self.assertGreaterEqual(time.monotonic() - begun, 0.1)

    def test_truncated(self):
        self.behave(servers.truncated)
        self.want_words(['"right"'])
        self.want(2, self.dns.asked("a.example", "TXT"), "UDP, then TCP")

    def test_cut_off(self):
        self.behave(servers.cut_off)
        with self.assertRaises((dns.exception.DNSException, EOFError)):
            self.ask()

    def test_wrong_id(self):
        self.behave(servers.wrong_id)
        with self.assertRaises(dns.exception.DNSException):
            self.ask()

    def test_garbage(self):
        self.behave(servers.garbage)
        with self.assertRaises(dns.exception.DNSException):
            self.ask()

    def test_lame(self):
        self.behave(servers.lame)
        answer = self.ask()
        self.want([], words(answer), "answer")
        self.want("example.", answer.authority[0].name.to_text(), "referral")
        self.assertFalse(answer.flags & dns.flags.AA)

    def test_loop(self):
        self.behave(servers.loop)
        self.want_words(["loop.a.example.", "a.example."])
        self.want_words(["a.example.", "loop.a.example."], "loop.a.example")

    def test_other_name(self):
        self.behave(servers.other_name)
        answer = self.ask()
        self.want("other.a.example.", answer.answer[0].name.to_text(), "name")

    def test_long_record(self):
        self.behave(servers.says(["TXT", b"x" * 65000]))
        self.want(65000, sum(map(len, self.ask().answer[0][0].strings)),
                  "octets by TCP")

    def test_new_name_for_each_question(self):
        self.behave(lambda question: question.records(
            ["TXT", f"v=spf1 include:x{self.dns.asked()}.{question.name}"]))
        self.want_words(['"v=spf1 include:x1.a.example"'])
        self.want_words(['"v=spf1 include:x2.x1.a.example"'], "x1.a.example")

    def test_mistake_of_a_test_is_told(self):
        self.behave(lambda question: question.records(["TXT", "x" * 70000]))
        self.want_silence()
        self.want_words(["NXDOMAIN"], "b.example")
        self.assertIn("a.example", self.dns.problems[0])

    def test_counts(self):
        for name, kind in (("a.example", "TXT"), ("A.example", "A"),
                           ("x.a.example", "A"), ("b.example", "A")):
            self.ask(name, kind)
        self.want(4, self.dns.asked(), "in all")
        self.want(2, self.dns.asked("a.example"), "of a name")
        self.want(1, self.dns.asked("a.example", "A"), "of its type")
        self.want(3, self.dns.asked("a.example", below=True), "and below")
        self.want({"A", "TXT"}, {kind for _, kind in self.dns.questions()},
                  "types")
        self.dns.forget()
        self.want(0, self.dns.asked(), "forgotten")

    def test_rubbish_is_no_question(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for octets in (b"", b"\0", b"\xff" * 40):
                client.sendto(octets, ("127.0.0.1", self.dns.port))
        self.want_words(['"right"'])

    def test_other_names(self):
        self.dns.put({"b.example": [["TXT", "new"]]})
        self.want_words(["NXDOMAIN"])
        self.want_words(['"new"'], "b.example")

    def test_nothing(self):
        self.want(["NXDOMAIN"], words(ask(servers.nothing().port, "x.y")),
                  "from the server without zones")
