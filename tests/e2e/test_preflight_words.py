"""What people read of preflight: each thing once, under a name of its own,
with the cause first and what cures it."""

import re

from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.dns import Nsd

BENCH = NSD = None
IP, OTHER, HELO = "192.0.2.10", "192.0.2.11", "mx1.postern.example"
OWN, IDLE, TWICE, SEVERAL, LIMIT, SYNTAX = (
    f"{one}.example" for one in ("own", "idle", "twice", "several", "limit",
                                 "syntax"))
LOGIN = f"alice@{OWN}"
BOTH = f"ip4:{IP} ip4:{OTHER}"
ELEVEN = " ".join(f"a:h{i}.{LIMIT}" for i in range(11))
RECORDS = {
    OWN: [f"v=spf1 {BOTH} -all"],
    IDLE: ["v=spf1 -all"],
    TWICE: [f"v=spf1 -ip4:{IP} -ip4:{OTHER} -all"],
    SEVERAL: ["v=spf1 mx -all", "v=spf1 a ~all"],
    LIMIT: [f"v=spf1 {ELEVEN} -all"],
    SYNTAX: [f"v=spf1 ip4:{IP}/33 -all"],
}


def zone() -> dict:
    names = {HELO: [["A", IP], ["A", OTHER]]}
    for domain, records in RECORDS.items():
        names[domain] = [["A", "198.51.100.9"], ["MX", 10, HELO],
                         *(["TXT", one] for one in records)]
        names[f"_dmarc.{domain}"] = [["TXT", "v=DMARC1; p=reject"]]
    for i in range(11):
        names[f"h{i}.{LIMIT}"] = [["A", "198.51.100.9"]]
    for name, text in BENCH.keys.records.items():
        names[name] = [["TXT", text]]
    return names


def setUpModule():
    global BENCH, NSD
    BENCH = Bench("words", start=False, keys=(OWN, IDLE))
    try:
        NSD = Nsd(BENCH.place, zone()).start()
        BENCH.postern.configure({
            **NSD.settings(), "senders": {"on_mismatch": "observe"},
            "egress": [f"{IP} {HELO}", f"{OTHER} {HELO}"]})
    except BaseException:
        tearDownModule()
        raise


def tearDownModule():
    try:
        BENCH.stop()
    finally:
        if NSD is not None:
            NSD.stop()


class Words(Case):
    def story(self):
        return NSD.story()

    def ctl(self, *arguments, status: int, stdin: bytes = b"") -> str:
        ran = BENCH.postern.ctl(*arguments, stdin=stdin)
        self.want(status, ran.returncode, f"exit status ({ran.out}{ran.err})")
        return ran.out

    def explain(self, author: str, status: int) -> str:
        return self.ctl("explain", "--login", LOGIN, "--mail-from", author,
                        status=status, stdin=message.compose(author))

    def cures(self, author: str) -> list:
        """What there is to do, line by line."""
        out = self.ctl("preflight", "--from", author, "--dkim", "x.example",
                       status=1)
        found = re.search(r"^to do +(.*(?:\n +.*)*)", out, re.M)
        self.assertIsNotNone(found, out)
        return [line.strip() for line in found[1].splitlines()]

    def test_each_label_of_explain_is_there_once(self):
        out = self.explain(f"x@{TWICE}", 1)
        for label in ("verdict", "reply", "DKIM", "preflight", "in short"):
            self.want(1, len(re.findall(rf"^{label} ", out, re.M)),
                      f"lines with {label} in\n{out}")

    def test_signatures_are_told_apart(self):
        out = self.explain(LOGIN, 0)
        self.want({"ed", "rsa"}, set(re.findall(
            rf"DKIM's {OWN} \(s=(\w+)\): aligned", out)), f"selectors\n{out}")

    def test_one_record_for_two_terms_is_told_once(self):
        out = self.ctl("check-domain", TWICE, status=1)
        self.want(1, out.count(f"{TWICE}. IN TXT"), f"its record in\n{out}")
        for address in (IP, OTHER):
            self.assertIn(f"refuses {address}", out)

    def test_the_look_up_that_is_too_many_isnt_asked(self):
        out = self.ctl("preflight", "--from", f"x@{LIMIT}", status=1)
        self.assertIn("look-up 10 of 10", out)
        self.assertNotIn("look-up 11", out)
        self.assertIn(f"a:h10.{LIMIT}: not asked; one look-up too many", out)

    def test_a_key_that_isnt_used(self):
        out = self.explain(f"bob@{IDLE}", 1)
        self.assertIn(f"the DKIM key of {IDLE} isn't used for this message",
                      out)
        self.assertIn(f"the account may use {IDLE}: senders.map", out)

    def test_a_signature_that_isnt_aligned_is_named(self):
        out = self.ctl("preflight", "--from", f"x@{IDLE}", "--dkim",
                       "lists.test", status=1)
        self.assertIn("the DKIM signature of lists.test isn't aligned with "
                      f"{IDLE}", out)

    def test_cures_of_broken_records(self):
        self.assertIn(f'{LIMIT}. IN TXT "v=spf1 {BOTH} {ELEVEN} -all"',
                      self.cures(f"x@{LIMIT}"))
        self.assertIn(f'{SEVERAL}. IN TXT "v=spf1 {BOTH} mx a ~all" ; in '
                      "place of both", self.cures(f"x@{SEVERAL}"))
        self.assertIn(f'correct "ip4:{IP}/33" in the SPF record of {SYNTAX}',
                      self.cures(f"x@{SYNTAX}"))

    def test_a_domain_that_doesnt_exist(self):
        out = self.ctl("preflight", "--from", "x@nosuch.example", status=0)
        self.assertRegex(out, r"(?m)^because +nosuch\.example doesn't exist")
        row = self.ctl("check-domain", "nosuch.example", status=1)
        self.want(1, row.count("doesn't exist"), f"times in\n{row}")
