"""posternctl preflight and check-domain, with a real DNS server."""

import json
import os
import re

from harness.bench import Bench
from harness.case import Case
from harness.dns import Nsd, ScriptedDns, servfail
from harness.keys import Keys
from harness.place import token

BENCH = None
DNS = None
RELAYED = None  # the keys that class relay alone has
SIGNING = ("submission", "local", "relay")
IP, OTHER, V6 = "192.0.2.10", "192.0.2.11", "2001:db8::10"
HELO = "mx.provider.example"
CTL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")
GOOD, MISSING, DIFFERENT, REVOKED, SECRET, BARE, LONE = (
    f"{one}.example" for one in ("good", "missing", "different", "revoked",
                                 "secret", "bare", "lone"))
OUTSIDE, OUTSIDE_WRONG = "outside.example", "outsidewrong.example"
IDN, A_LABEL = "bücher.example", "xn--bcher-kva.example"
SPF = f"v=spf1 ip4:{IP} ip6:{V6} -all"
REJECT = "v=DMARC1; p=reject"


def hosted(name: str, *more, dmarc: str = REJECT, spf: str = SPF) -> dict:
    """The zone of a domain that sends from here."""
    zone = {name: [["TXT", spf], ["MX", 10, "mx.example"], *more]}
    if dmarc:
        zone[f"_dmarc.{name}"] = [["TXT", dmarc]]
    return zone


def nested(name: str) -> dict:
    """Each record has few terms; together they are far more than ten."""
    zone = hosted(name, spf="v=spf1 " + " ".join(
        f"include:i{i}.{name}" for i in range(4)) + " -all")
    for i in range(4):
        zone[f"i{i}.{name}"] = [["TXT", "v=spf1 " + " ".join(
            f"a:h{k}.{name}" for k in range(4)) + " -all"]]
        zone[f"h{i}.{name}"] = [["A", "198.51.100.1"]]
    return zone


def zones(keys) -> dict:
    zone = {
        **hosted(GOOD), **hosted(MISSING), **hosted(DIFFERENT),
        **hosted(REVOKED), **hosted(SECRET), **hosted(A_LABEL),
        **hosted(OUTSIDE), **hosted(OUTSIDE_WRONG), **hosted(f"own.{GOOD}"),
        **hosted("voids.example", spf="v=spf1 a:n1.voids.example "
                 f"a:n2.voids.example a:n3.voids.example ip4:{IP} ip6:{V6} -all"),
        **hosted("bad.example", spf=f"v=spf1 ipv4:{IP} -all"),
        **nested("nested.example"),
        **hosted("soft.example", dmarc="v=DMARC1; p=quarantine",
                 spf="v=spf1 ~all"),
        **hosted("nopolicy.example", dmarc=""),
        # Under the list of suffixes it is an organization of its own.
        "_dmarc.shop.example.co.uk": [["TXT", "v=DMARC1; p=none"]],
        "shop.example.co.uk": [["TXT", "v=spf1 -all"]],
        **hosted("hostile.example", ["TXT", "\x1b[2J\u00ff"],
                 spf="v=spf1 ip4:192.0.2.99 exp=why.hostile.example -all"
                 " x=\x1b[31mred\x07"),
        "why.hostile.example": [["TXT", "go\x1b[2J away"]],
        **hosted("hostile2.example", dmarc="v=DMARC1; p=reject; x=\x9b2J",
                 spf="v=spf1 exp=why.hostile2.example -all"),
        "why.hostile2.example": [["TXT", "no %{i} here"]],
        "single.example": [["TXT", "v=spf1 ip4:192.0.2.11 -all"]],
        HELO: [["TXT", "v=spf1 a -all"], ["A", IP], ["AAAA", V6]],
        "mx.example": [["A", "192.0.2.200"]],
        "10.2.0.192.in-addr.arpa": [["PTR", HELO]],
        "11.2.0.192.in-addr.arpa": [["PTR", "\x1b[2Jelse.example"]],
        LONE: [["TXT", SPF]],
        f"_dmarc.{LONE}": [["TXT", REJECT]],
    }
    for name, text in keys.items():
        domain = name.partition("._domainkey.")[2]
        if domain == DIFFERENT:
            text = keys[name.replace(DIFFERENT, GOOD)]
        if domain == REVOKED:
            text = re.sub(r"p=.*", "p=", text)
        if domain not in (MISSING, OUTSIDE_WRONG):
            zone[name] = [["TXT", text]]
    return zone


def setUpModule():
    global BENCH, DNS, RELAYED
    BENCH = Bench("preflightctl", start=False,
                  keys=(GOOD, MISSING, DIFFERENT, REVOKED, SECRET, A_LABEL))
    try:
        user = BENCH.postern.user
        RELAYED = Keys(BENCH.place.at("relayed"), user.pw_uid, user.pw_gid)
        for domain in (OUTSIDE, OUTSIDE_WRONG, f"own.{GOOD}"):
            RELAYED.add(domain, "out", "ed25519")
        DNS = Nsd(BENCH.place, zones({**BENCH.keys.records,
                                      **RELAYED.records})).start()
        os.chmod(BENCH.keys.file(SECRET, "rsa"), 0o644)
        configure()
    except BaseException:
        tearDownModule()
        raise


def tearDownModule():
    if DNS is not None:
        DNS.stop()
    BENCH.stop()


def configure(classes=(), own=None, **changes):
    """own: what these classes have of their own."""
    settings = {"egress": [f"{IP} {HELO}", f"{V6} {HELO}"],
                **DNS.settings(timeout="5s")}
    settings.update(changes)
    settings.update({("class", name): own for name in classes})
    BENCH.postern.configure(settings)


def dkim(row: dict) -> list:
    return sorted((one["domain"], one["selector"], one["key"])
                  for one in row["dkim"])


class Ctl(Case):
    def story(self):
        return DNS.story()

    def ctl(self, *arguments, status: int = 0, stdin: bytes = b""):
        ran = BENCH.postern.ctl(*arguments, stdin=stdin)
        if ran.returncode != status:
            self.fail(f"posternctl {arguments}: wanted exit status {status}, "
                      f"got {ran.returncode}\n{ran.out}{ran.err}")
        return ran

    def preflight(self, *arguments, status: int = 0) -> dict:
        return json.loads(self.ctl("preflight", "--json", *arguments,
                                   status=status).out)

    def tearDown(self):
        configure()

    def want_words(self, text: str, *words):
        for word in words:
            if word not in text:
                self.fail(f"wanted {word!r} in:\n{text}")


class Preflight(Ctl):
    def test_usage(self):
        for arguments, words in (
                ([], "--from"),
                (["--from"], "--from"),
                (["--from", "a@good.example", "more"], "arguments"),
                (["--from", "a@good.example", "--ip", "nowhere"], "--ip"),
                (["--from", "a@good.example", "--dkim", "a b"], "--dkim"),
                (["--from", "a@good.example", "--profile", "x"],
                 "both_pass"),
                (["--from", "a@good.example"] + ["--ip", IP] * 17, "16"),
                (["--from", "a@good.example"]
                 + ["--dkim", GOOD] * 25, "24"),
        ):
            with self.subTest(arguments=arguments):
                ran = self.ctl("preflight", *arguments, status=2)
                self.want("", ran.out, "standard output")
                self.want_words(ran.err, words, "usage: posternctl")

    def test_the_keys_that_others_rely_on(self):
        got = self.preflight("--ip", IP, "--helo", HELO, "--mail-from",
                             f"a@{GOOD}", "--from", f"Alice <alice@{GOOD}>",
                             "--dkim", GOOD, "--opinions")
        self.want("pass", got["spf"]["result"], "spf.result")
        self.want(GOOD, got["spf"]["domain"], "spf.domain")
        self.want_words(got["spf"]["reason"], f"ip4:{IP}")
        self.want([GOOD], [one["domain"] for one in got["dkim"]], "dkim[]")
        self.want("pass", got["dmarc"]["result"], "dmarc.result")
        self.want(GOOD, got["dmarc"]["org_domain"], "dmarc.org_domain")
        self.want(GOOD, got["dmarc"]["policy_domain"], "policy_domain")
        self.want({"spf": True, "dkim": True}, got["dmarc"]["aligned"],
                  "dmarc.aligned")
        self.want({"rfc9989": "pass", "rfc7489": "pass",
                   "both_pass": "pass"},
                  {name: one["result"]
                   for name, one in got["profiles"].items()}, "profiles")
        self.want("pass", got["opinions"]["libspf2"], "libspf2")
        self.want("pass", got["opinions"]["libopendmarc"], "libopendmarc")
        self.want([], got["opinions"]["differences"], "differences")
        self.assertIsInstance(got["reasons"], list)

    def test_verdicts_and_exit_statuses(self):
        for name, arguments, result, status in (
                ("by SPF", ["--from", f"a@{GOOD}"], "pass", 0),
                ("refused", ["--from", f"a@{GOOD}", "--ip", OTHER],
                 "fail-reject", 1),
                ("saved by a signature",
                 ["--from", f"a@{GOOD}", "--ip", OTHER, "--dkim", GOOD],
                 "pass", 0),
                ("a stranger's signature",
                 ["--from", f"a@{GOOD}", "--ip", OTHER, "--dkim",
                  "single.example"], "fail-reject", 1),
                ("another envelope",
                 ["--from", f"a@{GOOD}", "--mail-from",
                  f"a@{MISSING}"], "fail-reject", 1),
                ("quarantine", ["--from", "a@soft.example"],
                 "fail-quarantine", 1),
                ("policy none", ["--from", "a@shop.example.co.uk"],
                 "fail-none", 1),
                ("no policy", ["--from", "a@nopolicy.example", "--ip",
                               OTHER], "no-policy", 0),
                ("a From without address", ["--from", "Alice"],
                 "permerror", 1),
                ("two authors, one refused",
                 ["--from", f"a@nopolicy.example, b@{GOOD}", "--ip",
                  OTHER], "fail-reject", 1),
        ):
            with self.subTest(name):
                got = self.preflight(*arguments, status=status)
                self.want(result, got["dmarc"]["result"], name)

    def test_all_addresses_must_do(self):
        got = self.preflight("--from", f"a@{GOOD}", "--ip", IP, "--ip", OTHER,
                             "--ip", V6, status=1)
        self.want("fail", got["spf"]["result"], "the worst")
        self.want(OTHER, got["spf"]["address"], "whose it is")
        self.want(["pass", "fail", "pass"],
                  [one["result"] for one in got["spf"]["addresses"]],
                  "each address")
        self.want({"spf": False, "dkim": False}, got["dmarc"]["aligned"],
                  "aligned from all")
        self.want(["pass", "fail-reject", "pass"],
                  [one["result"] for one in
                   got["profiles"]["rfc9989"]["addresses"]], "cells")
        mends = [one["mend"] for one in got["reasons"] if one["mend"]]
        self.want_words(" ".join(mends), f"ip4:{OTHER}")

    def test_the_egress_of_the_configuration_and_helo(self):
        got = self.preflight("--from", f"a@{GOOD}")
        self.want([(IP, HELO), (V6, HELO)],
                  [(one["address"], one["helo"])
                   for one in got["spf"]["addresses"]], "egress")
        got = self.preflight("--from", f"a@{GOOD}", "--helo", "other.example")
        self.want(["other.example"] * 2,
                  [one["helo"] for one in got["spf"]["addresses"]], "--helo")

    def test_without_egress_spf_is_unknown(self):
        configure(egress=None)
        got = self.preflight("--from", f"a@{GOOD}", status=1)
        self.want(None, got["spf"]["result"], "spf.result")
        self.want(True, got["dmarc"]["unknown_spf"], "unknown_spf")
        got = self.preflight("--from", f"a@{GOOD}", "--dkim", GOOD,
                             "--opinions")
        self.want((None, "pass"), (got["opinions"]["libspf2"],
                                   got["opinions"]["libopendmarc"]),
                  "opinions")

    def test_egress_map(self):
        path = BENCH.place.write("egress.map",
                                 f"@{GOOD} {OTHER} out.example\n")
        configure(egress_map=f"texthash:{path}")
        got = self.preflight("--from", f"a@{GOOD}", status=1)
        self.want([(OTHER, "out.example")],
                  [(one["address"], one["helo"])
                   for one in got["spf"]["addresses"]], "mapped")
        self.preflight("--from", f"a@{MISSING}")

    def test_the_null_sender(self):
        for sender in ("", "<>"):
            with self.subTest(sender):
                got = self.preflight("--from", f"a@{GOOD}", "--mail-from",
                                     sender, status=1)
                self.want(("pass", HELO), (got["spf"]["result"],
                                           got["spf"]["domain"]), "HELO's")
                self.want(False, got["dmarc"]["aligned"]["spf"], "aligned")
        self.preflight("--from", "a@provider.example", "--mail-from", "",
                       status=0)

    def test_senders_that_are_none(self):
        for sender, domain in (("foo@bar..example", "bar..example"),
                               ("<a@" + "x" * 64 + ".example>",
                                "x" * 64 + ".example"),
                               ("a@[192.0.2.1]", "[192.0.2.1]"),
                               ("nobody", "nobody")):
            with self.subTest(sender):
                got = self.preflight("--from", f"a@{GOOD}", "--mail-from",
                                     sender, status=1)
                self.want(("none", domain), (got["spf"]["result"],
                                             got["spf"]["domain"]), "SPF")

    def test_u_labels(self):
        for author, sender, signer in (
                (f"a@{IDN}", f"a@{A_LABEL}", IDN),
                (f"Bücher <a@{A_LABEL}>", f"a@{IDN}", IDN.upper())):
            with self.subTest(author):
                got = self.preflight("--from", author, "--mail-from", sender,
                                     "--dkim", signer)
                self.want({"spf": True, "dkim": True},
                          got["dmarc"]["aligned"], "aligned")
                self.want(A_LABEL, got["dmarc"]["org_domain"], "org_domain")
                self.want(A_LABEL, got["spf"]["domain"], "spf.domain")

    def test_profiles(self):
        arguments = ["--from", f"a@{GOOD}"]  # SPF alone
        got = self.preflight(*arguments)
        self.want(("pass", "fail-reject"),
                  (got["dmarc"]["result"],
                   got["profiles"]["both_pass"]["result"]), "both_pass")
        got = self.preflight(*arguments, "--profile", "both_pass", status=1)
        self.want(("fail-reject", "both_pass"),
                  (got["dmarc"]["result"], got["dmarc"]["profile"]),
                  "both_pass decides")
        self.want([False, False, True],
                  [got["profiles"][name]["used"] for name in
                   ("rfc9989", "rfc7489", "both_pass")], "used")
        self.preflight(*arguments, "--profile", "both_pass", "--profile",
                       "rfc7489")
        configure(preflight={"profiles": ["both_pass"]})
        self.preflight(*arguments, status=1)

    def test_every_step_is_told(self):
        out = self.ctl("preflight", "--from", f"a@{GOOD}", "--ip", IP, "--ip",
                       OTHER, status=1).out
        self.want_words(out, SPF, f"ip4:{IP}: matches", f"ip4:{IP}: no match",
                        "0 of 10 look-ups", f"_dmarc.{GOOD}: {REJECT}",
                        f"organizational domain: {GOOD}",
                        "aligned, the same domain", "no signature",
                        "rfc9989", "rfc7489", "both_pass (not used)",
                        "preflight   fail-reject", "to do", f"ip4:{OTHER}")
        out = self.ctl("preflight", "--from", "a@nested.example",
                       status=1).out
        self.want_words(out, "look-up 10 of 10", "not asked; one ",
                        "10 of 10 look-ups", "permerror",
                        "include:i0.nested.example")

    def test_text_from_outside_is_cleaned(self):
        for domain in ("hostile.example", "hostile2.example"):
            for arguments in ([], ["--json"], ["--opinions"],
                              ["--json", "--opinions"]):
                with self.subTest(domain, arguments=arguments):
                    ran = self.ctl("preflight", "--from", f"a@{domain}",
                                   *arguments, status=1)
                    found = CTL.search(ran.out + ran.err)
                    if found:
                        self.fail(f"{found[0]!r} in {ran.out!r}")
        got = self.preflight("--from", "a@hostile2.example", status=1)
        self.want("no 192.0.2.10 here",
                  got["spf"]["addresses"][0]["explanation"], "explanation")

    def test_what_is_typed_is_cleaned(self):
        ran = self.ctl("preflight", "--from", "a@good.example", "--mail-from",
                       "a@\x1b[2J.example", "--helo", "\x1b[2J", status=1)
        self.assertIsNone(CTL.search(ran.out + ran.err), repr(ran.out))


class Opinions(Ctl):
    def differing(self, domain: str, *arguments, status: int):
        got = self.preflight("--from", f"a@{domain}", "--ip", IP,
                             "--opinions", *arguments, status=status)
        opinions = got["opinions"]
        return got["spf"]["result"], opinions["libspf2"], opinions

    def test_libspf2_counts_anew_in_each_include(self):
        ours, theirs, opinions = self.differing("nested.example", status=1)
        self.want(("permerror", "fail"), (ours, theirs), "nested includes")
        self.want_words(" ".join(opinions["differences"]), "libspf2 says fail",
                        IP, "nested.example")

    def test_libspf2_overlooks_void_lookups(self):
        ours, theirs, opinions = self.differing("voids.example", status=1)
        self.want(("permerror", "pass"), (ours, theirs), "voids")
        self.want("pass", opinions["libopendmarc"], "by libspf2's SPF")
        self.want(2, len(opinions["differences"]), "differences")

    def test_a_record_that_cannot_be_read_is_no_missing_one(self):
        _, theirs, _ = self.differing("bad.example", status=1)
        self.want("permerror", theirs, "a syntax error")
        _, theirs, _ = self.differing("nowhere.example", status=0)
        self.want("none", theirs, "no record")

    def test_for_people(self):
        out = self.ctl("preflight", "--from", "a@voids.example",
                       "--opinions", status=1).out
        self.want_words(out, "libspf2", "libopendmarc", "differences",
                        "libspf2 says pass")

    def test_the_dmarc_that_it_knows(self):
        for author, arguments, word in (
                (f"a@{GOOD}", [], "pass"),
                (f"a@{GOOD}", ["--mail-from", f"a@{MISSING}"],
                 "fail-reject"),
                (f"a@sub.{GOOD}", ["--mail-from", f"a@{MISSING}"],
                 "fail-reject"),
                (f"a@{GOOD}", ["--mail-from", f"a@{MISSING}", "--dkim",
                               MISSING, "--dkim", GOOD], "pass"),
                ("a@soft.example", [], "fail-quarantine"),
                ("a@nopolicy.example", [], "no-policy")):
            with self.subTest(author, arguments=arguments):
                ran = BENCH.postern.ctl("preflight", "--json", "--opinions",
                                        "--from", author, *arguments)
                got = json.loads(ran.out)
                self.want(word, got["opinions"]["libopendmarc"], author)

    def test_a_record_that_asks_for_much(self):
        """Whatever libspf2 makes of it, or it of libspf2: posternctl goes on
        and answers."""
        zone = hosted("macro.example", spf="v=spf1 exists:"
                      + "%{l}." * 25 + "%{d}.macro.example -all")
        server = ScriptedDns(zone)
        try:
            configure(**server.settings(timeout="2s"))
            ran = BENCH.postern.ctl(
                "preflight", "--json", "--opinions", "--from",
                "a@macro.example", "--mail-from",
                "a-" * 30 + "@macro.example")
            got = json.loads(ran.out)
        finally:
            server.stop()
        self.assertIn(got["opinions"]["libspf2"],
                      ("fail", "permerror", "temperror", "crashed"))


class Faults(Ctl):
    def setUp(self):
        self.server = ScriptedDns(zones(BENCH.keys.records))
        configure(**self.server.settings(timeout="3s"))

    def tearDown(self):
        self.server.stop()
        super().tearDown()

    def test_temporary(self):
        self.server.behave(GOOD, servfail, "TXT")
        got = self.preflight("--from", f"a@{GOOD}", "--opinions", status=75)
        self.want(("temperror", "temperror", "temperror"),
                  (got["spf"]["result"], got["dmarc"]["result"],
                   got["opinions"]["libspf2"]), "lost")
        self.preflight("--from", f"a@{GOOD}", "--dkim", GOOD,
                       "--mail-from", "a@nowhere.example", status=75)

    def test_check_domain(self):
        self.server.behave(f"_dmarc.{GOOD}", servfail)
        self.ctl("check-domain", GOOD, status=75)
        self.ctl("check-domain", GOOD, MISSING, status=1)


class CheckDomain(Ctl):
    def check(self, *arguments, status: int) -> dict:
        return json.loads(self.ctl("check-domain", "--json", *arguments,
                                   status=status).out)

    def domains(self, *arguments, status: int) -> dict:
        got = self.check(*arguments, status=status)
        return {one["domain"]: one for one in got["domains"]}

    def test_usage(self):
        for arguments, words in (
                ([], "which domain"),
                (["--all", GOOD], "one of them"),
                (["--file", "/x", GOOD], "one of them"),
                (["--jobs", "0", GOOD], "1 to 64"),
                (["--jobs", "65", GOOD], "1 to 64")):
            with self.subTest(arguments=arguments):
                ran = self.ctl("check-domain", *arguments, status=2)
                self.want_words(ran.err, words)
        ran = self.ctl("check-domain", "--file", "/nowhere/list", status=2)
        self.want_words(ran.err, "/nowhere/list")

    def test_a_good_one(self):
        out = self.ctl("check-domain", GOOD).out
        line, = [one for one in out.splitlines() if one.startswith(GOOD)]
        self.want([GOOD, "pass", "good", "reject", "pass", "-"],
                  line.split(), "its line")
        self.want_words(out, "1 domain: 1 well (0 with a warning), 0 wrong")

    def test_each_thing_that_can_be_wrong(self):
        keys = BENCH.keys.records
        own = keys[f"rsa._domainkey.{MISSING}"].partition("p=")[2]
        for domain, column, words in (
                (MISSING, "missing", [f"rsa._domainkey.{MISSING}.", own[:60]]),
                (DIFFERENT, "different", [f"ed._domainkey.{DIFFERENT}"]),
                (REVOKED, "revoked", [f"rsa._domainkey.{REVOKED}"]),
                (SECRET, "unusable", ["chmod 600"]),
                (LONE, "no key", [LONE])):
            with self.subTest(domain):
                out = self.ctl("check-domain", domain, status=1).out
                line, = [one for one in out.splitlines()
                         if one.startswith(domain)]
                self.want_words(line, f"  {column}  ")
                self.want_words(out, *words)
                row = self.domains(domain, status=1)[domain]
                self.want("wrong", row["state"], "state")
        row = self.domains(SECRET, status=1)[SECRET]
        self.want_words(row["key_fault"], "chmod 600")

    def test_every_key_is_looked_at(self):
        row = self.domains(DIFFERENT, status=1)[DIFFERENT]
        self.want([("ed", "different"), ("rsa", "different")],
                  sorted((one["selector"], one["key"])
                         for one in row["dkim"]), "keys")

    def test_names_that_are_no_domains(self):
        rows = self.domains("two words", "a..example", status=1)
        self.want({"a..example": "wrong", "two words": "wrong"},
                  {name: one["state"] for name, one in rows.items()},
                  "states")

    def test_a_subdomain_has_its_parents_key(self):
        row = self.domains(f"sub.{GOOD}", status=1)[f"sub.{GOOD}"]
        self.want(("pass", {GOOD}),
                  (row["verdict"], {one["domain"] for one in row["dkim"]}),
                  "the parent's key signs")
        words = " ".join(one["words"] for one in row["to_do"])
        self.want_words(words, "SPF", "doesn't exist")

    def test_no_dmarc_record_is_a_warning(self):
        BENCH.keys.add("nopolicy.example", "rsa")
        try:
            out = self.ctl("check-domain", "nopolicy.example", status=1).out
        finally:
            os.unlink(BENCH.keys.file("nopolicy.example", "rsa"))
        self.want_words(out, "_dmarc.nopolicy.example.", "v=DMARC1")

    def test_a_list(self):
        path = BENCH.place.write(
            "list", f"# customers\n\n{MISSING}  # the second\n {GOOD}.\n"
            f"{GOOD.upper()}\n{IDN}\n")
        rows = self.domains("--file", path, status=1)
        self.want([GOOD, MISSING, A_LABEL], list(rows), "in order, once")
        rows = json.loads(self.ctl(
            "check-domain", "--json", "--file", "-",
            stdin=f"{GOOD}\n".encode()).out)["domains"]
        self.want([GOOD], [one["domain"] for one in rows], "standard input")

    def test_all(self):
        got = self.check("--all", status=1)
        states = {one["domain"]: one["state"] for one in got["domains"]}
        self.want({GOOD: "good", A_LABEL: "good", MISSING: "wrong",
                   DIFFERENT: "wrong", REVOKED: "wrong", SECRET: "wrong"},
                  {name: states.get(name) for name in
                   (GOOD, A_LABEL, MISSING, DIFFERENT, REVOKED, SECRET)},
                  "states")
        self.want(sorted(states), list(states), "in order")
        self.want(len(states), sum(got["summary"][name] for name in
                                   ("good", "later", "wrong")), "the sum")
        self.want(True, got["summary"]["whole"], "whole")

    def test_all_with_a_directory_of_a_class(self):
        before = {one["domain"] for one in
                  self.check("--all", status=1)["domains"]}
        configure(["relay"], {"keys": RELAYED.path})
        rows = self.domains("--all", status=1)
        self.want({OUTSIDE, OUTSIDE_WRONG, f"own.{GOOD}"},
                  set(rows) - before, "the class's own")
        self.want(set(), before - set(rows), "left out")
        self.want(("good", [(OUTSIDE, "out", "good")]),
                  (rows[OUTSIDE]["state"], dkim(rows[OUTSIDE])),
                  "checked with the class's key")
        self.want(("wrong", [(OUTSIDE_WRONG, "out", "missing")]),
                  (rows[OUTSIDE_WRONG]["state"], dkim(rows[OUTSIDE_WRONG])),
                  "its record is missing")
        own = rows[f"own.{GOOD}"]
        self.want("good", own["state"], f"state of {own}")
        self.want(["out", *(one[1] for one in dkim(rows[GOOD]))],
                  sorted([one[1] for one in dkim(own)],
                         key=lambda selector: selector != "out"),
                  "its own key in the class, elsewhere its parent's")
        self.want("good", rows[GOOD]["state"], "of one that is outside alone")

    def test_a_class_hides_no_key_of_the_others(self):
        """The parent's, which isn't published, signs where a class hasn't the
        domain's own."""
        added = RELAYED.add(f"own.{MISSING}", "out", "ed25519")
        wanted = {(one[1], one[2]) for one in dkim(
            self.domains(f"own.{MISSING}", status=1)[f"own.{MISSING}"])}
        configure(["relay"], {"keys": RELAYED.path})
        try:
            row = self.domains(f"own.{MISSING}", status=1)[f"own.{MISSING}"]
        finally:
            os.remove(added)
            os.rmdir(os.path.dirname(added))
        self.want(wanted, {(one[1], one[2]) for one in dkim(row)
                           if one[1] != "out"}, "its parent's")
        self.want("wrong", row["state"], "state")

    def test_a_domain_with_keys_in_two_places(self):
        """All of them sign; and a bad one hides no other."""
        added = RELAYED.add(GOOD, "out", "ed25519")
        configure(["relay"], {"keys": RELAYED.path})
        try:
            row = self.domains(GOOD, status=1)[GOOD]
            self.want(("wrong", [(GOOD, "out", "missing")]),
                      (row["state"], [one for one in dkim(row)
                                      if one[2] != "good"]), "both")
            self.assertIn((GOOD, "rsa", "good"), dkim(row))
            os.chmod(added, 0o644)
            row = self.domains(GOOD, status=1)[GOOD]
            self.want_words(row["key_fault"], "chmod 600", added)
            self.assertIn((GOOD, "rsa", "good"), dkim(row))
        finally:
            os.unlink(added)
            os.rmdir(os.path.dirname(added))

    def test_all_with_classes_alone(self):
        own = {"keys": RELAYED.path}
        all_there_are = sorted((OUTSIDE, OUTSIDE_WRONG, f"own.{GOOD}"))
        configure(SIGNING, own, sign={"keys": ""})
        self.want(all_there_are, list(self.domains("--all", status=1)),
                  "where there is no other directory")
        configure(SIGNING, {**own, "sign": False}, sign={"keys": ""})
        ran = self.ctl("check-domain", "--all", status=2)
        self.want_words(ran.err, "there are no keys to be listed")

    def test_all_with_a_map_of_a_class(self):
        """It can't be listed, which is said; and it is asked for the keys."""
        own = {"key_map": f"socketmap:unix:{BENCH.place.at('nobody')}:keys"}
        configure(SIGNING, own, sign={"keys": ""})
        ran = self.ctl("check-domain", "--all", status=2)
        self.want_words(ran.err, "socketmap", "can't be listed")
        configure(["relay"], own)
        ran = self.ctl("check-domain", "--all", status=1)
        self.want_words(ran.err, "warning: key_map:", "can't be listed")
        row = self.domains(OUTSIDE, status=75)[OUTSIDE]
        self.want_words(row["key_fault"], "socketmap")
        self.want(("later", [row["key_fault"]]),
                  (row["state"], [one["words"] for one in row["to_do"]]),
                  "no more is known of it")
        row = self.domains(GOOD, status=0)[GOOD]
        self.want(None, row["key_fault"], "of one in the directory")

    def test_many_at_once_keep_their_order(self):
        names = [f"{token()}.example" for _ in range(400)]
        for jobs in ("1", "64"):
            got = json.loads(self.ctl(
                "check-domain", "--json", "--jobs", jobs, "--file", "-",
                stdin="\n".join(names).encode(), status=1).out)
            self.want(sorted(names),
                      [one["domain"] for one in got["domains"]],
                      f"--jobs {jobs}")

    def test_opinions(self):
        row = self.domains("--opinions", "voids.example",
                           status=1)["voids.example"]
        self.want(("permerror", "pass"),
                  (row["spf"]["result"], row["opinions"]["libspf2"]),
                  "a difference")
        out = self.ctl("check-domain", "--opinions", "voids.example",
                       status=1).out
        self.want_words(out, "libspf2 says pass")

    def test_egress_addresses_are_told_once(self):
        configure(egress=[f"{IP} {HELO}", f"{OTHER} {HELO}",
                          "192.0.2.12 mx.example"])
        got = self.check(GOOD, status=1)
        self.want([(IP, "good", HELO), (OTHER, "bad"), ("192.0.2.12", "bad")],
                  [(one["address"], one["fcrdns"], one["name"])
                   if one["fcrdns"] == "good"
                   else (one["address"], one["fcrdns"])
                   for one in got["egress"]], "egress")
        out = self.ctl("check-domain", GOOD, status=1).out
        self.want_words(out, f"{IP}, HELO {HELO}", "warning: " + OTHER,
                        "12.2.0.192.in-addr.arpa")
        self.assertIsNone(CTL.search(out), repr(out))

    def test_text_from_outside_is_cleaned(self):
        for arguments in ([], ["--json"]):
            out = self.ctl("check-domain", "hostile.example",
                           "hostile2.example", *arguments, status=1).out
            self.assertIsNone(CTL.search(out), repr(out))
