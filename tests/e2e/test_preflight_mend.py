"""What check-domain says is to be published, pasted into a zone as it stands:
then a real DNS server has it, and both posternctl and the daemon find that all
is well."""

import json
import re

from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.dns import Nsd
from harness.zone import Zone

BENCH = NSD = None
FIRST = SECOND = ""  # what check-domain says before and after

EGRESS, EGRESS6, HELO = "192.0.2.10", "2001:db8::10", "mx1.postern.example"
REVERSE6 = "0.1" + ".0" * 22 + ".8.b.d.0.1.0.0.2.ip6.arpa"
COMMON = {
    HELO: [["A", EGRESS], ["AAAA", EGRESS6], ["TXT", "v=spf1 a -all"]],
    "10.2.0.192.in-addr.arpa": [["PTR", HELO]],
    REVERSE6: [["PTR", HELO]]}
REJECT = "v=DMARC1; p=reject"
RECORD = re.compile(r"^ +(\S+)\. IN TXT (.*)$", re.M)
BOTH = f"ip4:{EGRESS} ip6:{EGRESS6}"
GOOD = f"v=spf1 {BOTH} -all"

# What a domain's owner has published: name -> SPF record (None: none). There
# are no keys of theirs here.
SPF = {
    "other-address": "v=spf1 ip4:198.51.100.7 -all",
    "one-of-two": f"v=spf1 ip4:{EGRESS} -all",
    "nothing": None,
    "refused-first": "v=spf1 -ip4:192.0.2.0/24 +all",
    "softfail-first": f"v=spf1 ~ip4:{EGRESS} ~ip6:2001:db8::/32 -all",
    "explained": "v=spf1 ip4:198.51.100.7 -all exp=why.%{d}",
    "macro": "v=spf1 exists:%{i}._spf.%{d} -all",
    "long": "v=spf1 " + " ".join(f"ip4:203.0.113.{n}"
                                 for n in range(30)) + " -all",
    "shouted": "V=SPF1   ip4:198.51.100.7    -ALL",
    "redirect-before": "v=spf1 ip4:198.51.100.7 redirect=_to.%{d}",
    "redirect": "v=spf1 redirect=_to.%{d}",
    "include-refused": "v=spf1 -include:_all.%{d} +all",
    "neutral": "v=spf1 ?all",
    "no-end": "v=spf1 mx",
    "softfail": "v=spf1 a mx ~all",
}
SPF_BESIDE = {
    "why.explained.example": [["TXT", "see http://example/?i=%{I}"]],
    "_to.redirect-before.example": [["TXT", "v=spf1 -all"]],
    "_to.redirect.example": [["TXT", f"v=spf1 ip4:{EGRESS} -all"]],
    "_all.include-refused.example": [["TXT", GOOD]],
}
# name -> (SPF, DMARC record). There are keys, and none of them is published.
KEYS = {
    "key-missing": (GOOD, REJECT),
    "key-missing-spf-too": ("v=spf1 -all", REJECT),
    "key-strict": (None, REJECT + "; adkim=s; aspf=s"),
    "key-all-missing": (None, None),
}


def name(short: str) -> str:
    return f"{short}.example"


def domains() -> list:
    return [name(short) for short in (*SPF, *KEYS)]


def zone() -> dict:
    names = {**COMMON, **SPF_BESIDE}
    published = {**{short: (spf, REJECT) for short, spf in SPF.items()},
                 **KEYS}
    for short, (spf, dmarc) in published.items():
        names[name(short)] = [["A", "198.51.100.9"]]
        if spf is not None:
            names[name(short)].append(["TXT", spf])
        if dmarc is not None:
            names[f"_dmarc.{name(short)}"] = [["TXT", dmarc]]
    return names


def pasted(names: dict, text: str) -> str:
    """The zone file with the records of text in the place of those that were
    there, each once, however often it is said."""
    records = dict.fromkeys(RECORD.findall(text))
    new = {one for one, _ in records}
    kept = {one: [record for record in there
                  if record[0] != "TXT" or one not in new]
            for one, there in names.items()}
    return Zone(kept).text() + "".join(
        f"{one}. 300 IN TXT {value}\n" for one, value in records)


def check_domain() -> str:
    ran = BENCH.postern.ctl("check-domain", *domains())
    if ran.returncode not in (0, 1):
        raise AssertionError(f"check-domain: {ran.returncode} {ran.err}")
    return ran.out


def setUpModule():
    global BENCH, NSD, FIRST, SECOND
    BENCH = Bench("mend", start=False, keys=[name(one) for one in KEYS])
    try:
        NSD = Nsd(BENCH.place, zone()).start()
        BENCH.postern.configure({
            **NSD.settings(),
            "egress": [f"{EGRESS} {HELO}", f"{EGRESS6} {HELO}"]})
        BENCH.postern.start()
        FIRST = check_domain()
        NSD.load(pasted(zone(), FIRST))
        SECOND = check_domain()
    except BaseException:
        tearDownModule()
        raise


def tearDownModule():
    try:
        BENCH.stop()
    finally:
        if NSD is not None:
            NSD.stop()


class Mended(Case):
    def story(self):
        return f"--- before:\n{FIRST}\n--- after:\n{SECOND}\n{NSD.story()}"

    def test_there_is_something_to_publish(self):
        said = {one for one, _ in RECORD.findall(FIRST)}
        for domain in domains():
            with self.subTest(domain):
                self.assertTrue(
                    [one for one in said
                     if one == domain or one.endswith("." + domain)])

    def test_verdict_is_pass(self):
        for domain in domains():
            with self.subTest(domain):
                ran = BENCH.postern.ctl("preflight", "--json", "--from",
                                        f"x@{domain}")
                self.want(0, ran.returncode, f"exit status ({ran.out})")
                got = json.loads(ran.out)
                self.want(["pass", "pass"],
                          [got["spf"]["result"], got["dmarc"]["result"]],
                          "SPF and DMARC")

    def test_daemon_takes_it(self):
        for short in (*SPF, *KEYS):
            with self.subTest(short):
                login = f"x@{name(short)}"
                self.want_leaves(BENCH.send(login, message.compose(login),
                                            login))
                line = BENCH.postern.line(event="message", account=login)
                keys = f"{name(short)}/ed,{name(short)}/rsa"
                self.want_fields(line, action="accept", spf="pass",
                                 dmarc="pass",
                                 dkim=keys if short in KEYS else "none")
                self.assertNotIn("would", line)

    def test_nothing_is_left_to_publish(self):
        """Keys are still to be made where there are none here; the others
        are well."""
        self.want([], RECORD.findall(SECOND), "records to be published")
        for short in KEYS:
            with self.subTest(short):
                ran = BENCH.postern.ctl("check-domain", name(short))
                self.want(0, ran.returncode, f"exit status ({ran.out})")
