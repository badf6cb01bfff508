"""Preflight and a DNS that is away, wrong or hostile; and that nothing is
asked which needn't be."""

import base64
import re

from harness import dns as servers
from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.dns import ScriptedDns
from harness.place import token, wait_until
from harness.relays import Load

DNS = BENCH = None

EGRESS, HELO = "192.0.2.10", "mx1.postern.example"
REVERSE = "10.2.0.192.in-addr.arpa"
OWN = "a.example"
LOGIN = f"alice@{OWN}"
PASSES = ["TXT", f"v=spf1 ip4:{EGRESS} -all"]
REJECT = ["TXT", "v=DMARC1; p=reject"]
# Questions for one message that doesn't mean well: its own and, for those
# that get no answer, their repetitions.
FEW = 60


def setUpModule():
    global DNS, BENCH
    DNS = ScriptedDns()
    BENCH = Bench("preflight", settings(), keys=(OWN,))


def tearDownModule():
    try:
        BENCH.stop()
    finally:
        DNS.stop()


def settings(timeout: str = "10s", **sections) -> dict:
    return {
        **DNS.settings(timeout=timeout),
        "egress": [f"{EGRESS} {HELO}"],
        ("limit", "plenty"): {"key": "account", "count": "messages",
                              "max": 100000, "per": "1d"},
        ("class", "submission"): {
            "on_temperror": "tempfail", "on_fail_reject": "reject",
            "on_fail_none": "reject", "on_fail_quarantine": "reject"},
        **sections}


class Scripted(Case):
    """Each test has a domain of its own, whose owner sends a message that
    only SPF could make good."""

    SETTINGS: dict = {}

    @classmethod
    def setUpClass(cls):
        DNS.heal()
        BENCH.postern.restart(merged(cls.SETTINGS))

    def setUp(self):
        DNS.heal()
        self.domain = f"{token()}.example"
        self.serve([PASSES])
        DNS.forget()

    def tearDown(self):
        problems, DNS.problems = DNS.problems, []
        self.want([], problems, "mistakes of the test's DNS")

    def story(self):
        return f"{BENCH.story()}\n{DNS.story()}"

    def serve(self, spf, policy=REJECT, **more) -> None:
        """What the domain has; more by name."""
        DNS.put({
            HELO: [["A", EGRESS], PASSES], REVERSE: [
                ["PTR", HELO]],
            OWN: [PASSES], f"_dmarc.{OWN}": [REJECT],
            **BENCH.keys.zone(),
            self.domain: spf, f"_dmarc.{self.domain}": [policy],
            **{name.format(self.domain): records
               for name, records in more.items()}})

    def send(self, domain: str = "", **how):
        """(answer, log line) of a message of the domain's owner."""
        login = f"x@{domain or self.domain}"
        author = how.pop("author", login)
        before = len(BENCH.postern.lines(event="message"))
        answer = BENCH.send(login, message.compose(author), login, **how)
        lines = wait_until(
            lambda: BENCH.postern.lines(event="message")[before:],
            "the message's log line")
        return answer, lines[-1]

    def want_result(self, *names, spf: str = "", **how) -> dict:
        """The verdict on a message is one of names; the log line."""
        answer, line = self.send(**how)
        if line.get("dmarc") not in names:
            self.fail(f"wanted {names}, got {line}")
        if spf:
            self.want_fields(line, spf=spf)
        if names == ("pass",):
            self.want_leaves(answer)
        elif names == ("temperror",):
            self.want_answer(answer, "reply", "451 4.7.1", "try again later")
        return line

    def want_clean_log(self) -> None:
        """Nothing but printable ASCII, line by line."""
        found = re.search(r"[^\n\x20-\x7e]", BENCH.postern.text())
        if found:
            at = found.start()
            self.fail("in the log: "
                      f"{BENCH.postern.text()[max(0, at - 200):at + 50]!r}")

    def want_few(self, most: int = FEW, name: str = "") -> None:
        """So many questions at most about the domain."""
        asked = DNS.asked(name or self.domain, below=True)
        self.assertLessEqual(asked, most, "questions about the domain")

    def behave(self, how, name: str = "{}", kind: str = "TXT") -> None:
        """The domain itself, but not what else is below it."""
        name = name.format(self.domain)
        for other in (f"_dmarc.{self.domain}",
                      f"_domainkey.{self.domain}"):
            if other != name:
                DNS.behave(other, servers.right)
        DNS.behave(name, how, kind)


def merged(changes: dict) -> dict:
    made = settings()
    for name, value in changes.items():
        made[name] = {**made[name], **value} if isinstance(
            value, dict) and name in made else value
    return made


class Muted(Scripted):
    """What the sender's own servers do mustn't leave no time for what the
    author's policy says."""

    SETTINGS = {"dns": {"timeout": "3s"}}

    def test_slow_key_of_ones_own(self):
        self.serve([["TXT", "v=spf1 -all"]])
        silent = f"{token()}.example"
        DNS.behave(silent, servers.silence)
        signature = base64.b64encode(bytes(256)).decode()
        login = f"x@{self.domain}"
        answer = BENCH.send(login, message.compose(login, headers=[(
            "DKIM-Signature",
            f"v=1; a=rsa-sha256; d={silent}; s=s1; h=from; "
            "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; "
            f"b={signature}")]), login)
        self.want_answer(answer, "reply", "550 5.7.26", "policy is reject")
        self.assertGreater(DNS.asked(f"s1._domainkey.{silent}"), 0)


class Fine(Scripted):
    """That the tests below say something."""

    def want_asked_once(self) -> None:
        """Some of it may have been asked beside, and come late."""
        asked = {one: count for one, count in DNS.questions().items()
                 if one[0].endswith(self.domain)}
        self.want({1}, set(asked.values()), f"counts of {asked}")

    def test_passes(self):
        self.want_result("pass", spf="pass")

    def test_fails(self):
        self.serve([["TXT", "v=spf1 -all"]])
        answer, line = self.send()
        self.want_answer(answer, "reply", "550 5.7.26")
        self.want_fields(line, spf="fail", dmarc="fail-reject")

    def test_second_message_asks_nothing(self):
        for _ in range(5):
            self.want_result("pass")
        self.want_asked_once()

    def test_ttl_is_kept(self):
        """After it the record is asked for again."""
        self.behave(servers.says(PASSES, ttl=1))
        self.want_result("pass")
        asked = DNS.asked(self.domain)
        wait_until(lambda: self.want_result("pass")
                   and DNS.asked(self.domain) > asked,
                   "a second question")

    def test_negative_answers_are_kept(self):
        self.serve([], ["TXT", "no record"])
        for _ in range(5):
            self.want_result("no-policy", spf="none")
        self.want_asked_once()

    def test_reload_forgets(self):
        self.want_result("pass")
        self.serve([["TXT", "v=spf1 -all"]])
        self.want_result("pass")
        self.want(0, BENCH.postern.ctl("reload").returncode, "reload")
        self.want_result("fail-reject", spf="fail")


class Faults(Scripted):
    SETTINGS = {"dns": {"timeout": "1s"}}

    def test_errors_of_the_record(self):
        for how in (servers.servfail, servers.refused, servers.silence,
                    servers.garbage, servers.wrong_id, servers.cut_off,
                    servers.slow(30)):
            with self.subTest(how.__name__):
                self.setUp()
                self.behave(how)
                self.want_result("temperror", spf="temperror")
                self.want_few()

    def test_errors_of_the_policy(self):
        for how in (servers.servfail, servers.silence):
            with self.subTest(how.__name__):
                self.setUp()
                self.serve([["TXT", "v=spf1 -all"]])
                self.behave(how, "_dmarc.{}")
                self.want_result("temperror", spf="fail")

    def test_errors_of_the_key(self):
        """SPF fails for sure; DKIM might have passed."""
        for how in (servers.servfail, servers.silence):
            with self.subTest(how.__name__):
                self.setUp()
                DNS.behave(f"_domainkey.{OWN}", how)
                DNS.put({OWN: [["TXT", "v=spf1 -all"]],
                         f"_dmarc.{OWN}": [REJECT]})
                BENCH.postern.ctl("reload")
                self.want_result("temperror", domain=OWN)

    def test_what_isnt_needed_may_be_lost(self):
        """SPF passes and is aligned: no lost key changes that."""
        DNS.behave(f"_domainkey.{OWN}", servers.servfail)
        BENCH.postern.ctl("reload")
        self.want_result("pass", domain=OWN, spf="pass")

    def test_truncated_is_asked_again_by_tcp(self):
        self.behave(servers.truncated)
        self.want_result("pass", spf="pass")

    def test_loop_of_aliases(self):
        self.behave(servers.loop)
        DNS.behave(f"loop.{self.domain}", servers.loop)
        self.want_result("temperror", "fail-reject")
        self.want_few()

    def test_long_chain_of_aliases(self):
        """Each name is an alias of a new one."""
        def longer(question):
            return question.records(["CNAME", f"x.{question.name}"])
        self.behave(longer, kind="")
        self.want_result("temperror", "fail-reject")
        self.want_few(2 * FEW)

    def test_lame_server(self):
        """It knows nothing and names another, whom nobody may ask. No record
        or no answer: both would be true; a pass wouldn't."""
        self.behave(servers.lame)
        self.want_result("temperror", "fail-reject")

    def test_records_of_another_name_count_for_nothing(self):
        self.serve([["TXT", "v=spf1 -all"]])
        self.behave(servers.other_name)
        self.want_result("temperror", "fail-reject")

    def test_error_while_dns_is_well_again(self):
        """What was lost is not remembered for long."""
        self.behave(servers.servfail)
        self.want_result("temperror")
        DNS.heal()
        wait_until(lambda: self.send()[1].get("dmarc") == "pass",
                   "a message that passes", 60)


class Dead(Scripted):
    """A domain whose DNS doesn't answer at all."""

    SETTINGS = {"dns": {"timeout": "1s"}}

    def test_many_messages_wait_once(self):
        DNS.behave(self.domain, servers.silence)
        self.want_result("temperror")
        with Load([BENCH], 6, f"x@{self.domain}", each=10) as load:
            load.wait()
        self.want([], load.problems, "connections that broke")
        self.want({"reply"}, {one.answer.name for one in load.sent},
                  "answers")
        self.want(60, len(load.sent), "messages")
        # Each of them would have asked for SPF and DMARC at least.
        self.want_few(60)

    def test_others_dont_suffer(self):
        DNS.behave(self.domain, servers.silence)
        for _ in range(3):
            self.want_result("temperror")
        self.want_result("pass", domain=OWN)
        name = f"{token()}.example"
        DNS.put({name: [PASSES], f"_dmarc.{name}": [REJECT]})
        self.want_result("pass", domain=name)

    def test_one_of_the_servers_is_dead(self):
        """Two are configured, one of them never says a word."""
        mute = ScriptedDns()
        self.addCleanup(mute.stop)
        mute.behave("", servers.silence)
        self.addCleanup(BENCH.postern.restart, merged(self.SETTINGS))
        BENCH.postern.restart(merged({"dns": {
            "servers": [mute.server, DNS.server], "timeout": "5s"}}))
        self.want_result("pass", domain=OWN)
        self.want_result("pass")

    def test_all_servers_are_gone(self):
        gone = ScriptedDns()
        gone.stop()
        self.addCleanup(BENCH.postern.restart, merged(self.SETTINGS))
        BENCH.postern.restart(merged({"dns": {
            "servers": [gone.server], "timeout": "1s"}}))
        self.want_result("temperror", domain=OWN)
        self.want_result("temperror")


class AcceptedWithoutDns(Scripted):
    """As it is unless somebody says otherwise: mail isn't stopped by a DNS
    that is away."""

    SETTINGS = {"dns": {"timeout": "1s"},
                ("class", "submission"): {"on_temperror": None}}

    def test_it_leaves(self):
        DNS.behave(self.domain, servers.silence)
        answer, line = self.send()
        self.want_leaves(answer)
        self.want_fields(line, action="accept", dmarc="temperror")

    def test_signed_by_a_key_that_cant_be_seen(self):
        DNS.behave(OWN, servers.servfail)
        answer, line = self.send(domain=OWN)
        self.want_leaves(answer)
        self.want_fields(line, dkim=f"{OWN}/ed,{OWN}/rsa",
                         dmarc="temperror")


class Bogus(Scripted):
    """A zone that should be signed by the key that is configured, and
    isn't."""

    @classmethod
    def setUpClass(cls):
        anchor = BENCH.place.write(
            "anchor", "bogus.example. IN DS 20326 8 2 " + "AB" * 32 + "\n")
        cls.SETTINGS = {"dns": {"timeout": "5s", "trust_anchor": anchor}}
        super().setUpClass()

    def test_bogus_is_lost(self):
        DNS.put({"bogus.example": [PASSES], "_dmarc.bogus.example": [REJECT]})
        self.want_result("temperror", domain="bogus.example",
                         spf="temperror")

    def test_other_zones_are_as_they_were(self):
        self.want_result("pass")


class NothingAsked(Scripted):
    SETTINGS = {"senders": {"on_mismatch": "reject"}}

    def want_nothing_asked(self, *domains: str) -> None:
        """What an earlier message had asked beside may still come."""
        asked = [name for name, _ in DNS.questions()
                 if name.endswith(domains)]
        self.want([], asked, "questions")

    def test_refused_for_another_reason(self):
        """A flood that isn't allowed anyway asks for no names."""
        domains = [f"{token()}.example" for _ in range(20)]
        for domain in domains:
            answer, _ = self.send(author=f"x@{domain}")
            self.want_answer(answer, "reply", "550 5.7.1")
        self.want_nothing_asked(*domains)

    def test_mail_that_stays_here(self):
        domains = []
        for mailer in ("local", "lmtp"):
            domains.append(f"{token()}.example")
            login = f"x@{domains[-1]}"
            with BENCH.begun() as milter:
                answer = milter.message(
                    login, ["a@here.example", "b@here.example"],
                    message.compose(login), login, mailer=mailer)
                milter.quit()
            self.want_leaves(answer)
        self.want_nothing_asked(*domains)

    def test_inbound(self):
        answer = BENCH.send(f"x@{self.domain}",
                            message.compose(f"x@{self.domain}"))
        self.want_leaves(answer)
        self.want_nothing_asked(self.domain)

    def test_mail_of_which_some_leaves(self):
        with BENCH.begun() as milter:
            login = f"x@{self.domain}"
            milter.mail(f"<{login}>", login=login)
            milter.rcpt("<a@here.example>", mailer="local")
            milter.rcpt("<b@out.example>", mailer="smtp")
            self.want_leaves(milter.content(message.compose(login), login))
            milter.quit()
        self.assertGreater(DNS.asked(self.domain, below=True), 0)


class NothingAskedOverLimit(NothingAsked):
    SETTINGS = {("limit", "one"): {"key": "account", "count": "messages",
                                   "max": 1, "per": "1h",
                                   "action": "reject"}}

    def test_refused_for_another_reason(self):
        """Limits are looked at before anything is asked."""
        self.want_result("pass")
        domains = [f"{token()}.example" for _ in range(20)]
        for domain in domains:
            answer, _ = self.send(author=f"x@{domain}")
            self.want_answer(answer, "reply", "550 5.7.1", "one")
        self.want_nothing_asked(*domains)


class Transports(Scripted):
    """The way mail is carried on says which address it leaves from."""

    @classmethod
    def setUpClass(cls):
        file = BENCH.place.write("egress", "transport:bulk 192.0.2.99 "
                                 "bulk.postern.example\n")
        cls.SETTINGS = {"egress_map": f"texthash:{file}"}
        super().setUpClass()

    def sent_by(self, *mailers: str) -> dict:
        login = f"x@{self.domain}"
        before = len(BENCH.postern.lines(event="message"))
        with BENCH.begun() as milter:
            milter.mail(f"<{login}>", login=login)
            for number, mailer in enumerate(mailers):
                milter.rcpt(f"<r{number}@out.example>", mailer=mailer)
            milter.content(message.compose(login), login)
            milter.quit()
        return wait_until(
            lambda: BENCH.postern.lines(event="message")[before:],
            "the message's log line")[-1]

    def test_transport_of_all_recipients(self):
        self.want_fields(self.sent_by("smtp"), spf="pass")
        self.want_fields(self.sent_by("bulk", "bulk"), spf="fail")

    def test_several_transports(self):
        """Then it may leave from any of the usual addresses."""
        self.want_fields(self.sent_by("bulk", "smtp"), spf="pass")


class Hostile(Scripted):
    """The customer's DNS is written by the customer."""

    def want_defined(self, *names, most: int = FEW) -> dict:
        """A verdict, few questions, and a log that can be read."""
        line = self.want_result(*names)
        self.want_clean_log()
        self.want_few(most)
        self.assertTrue(BENCH.postern.is_running())
        return line

    def test_record_of_64_kb(self):
        for text in ("v=spf1 " + "ip4:192.0.2.1 " * 4600 + "-all",
                     "v=spf1 " + "x" * 64000, "v=spf1 " + " " * 64000,
                     "v=spf1 " + "include:a.example " * 3500):
            with self.subTest(text[:20]):
                self.setUp()
                self.behave(servers.says(["TXT", text]))
                self.want_defined("fail-reject", "temperror")

    def test_policy_of_64_kb(self):
        for text in ("v=DMARC1; p=reject; " + "x=y; " * 12000,
                     "v=DMARC1; p=reject; rua=" + "mailto:a@b.example," * 3300,
                     "v=DMARC1" + ";" * 64000):
            with self.subTest(text[:30]):
                self.setUp()
                self.behave(servers.says(["TXT", text]), "_dmarc.{}")
                self.want_defined("pass", "no-policy", "temperror")

    def test_key_of_64_kb(self):
        DNS.behave(f"_domainkey.{OWN}", servers.says(
            ["TXT", "v=DKIM1; p=" + "A" * 64000]))
        DNS.put({OWN: [["TXT", "v=spf1 -all"]], f"_dmarc.{OWN}": [REJECT]})
        BENCH.postern.ctl("reload")
        self.want_result("fail-reject", domain=OWN)
        self.want_clean_log()

    def test_ten_thousand_includes(self):
        """In a tree of ten branches at each node, and in a chain."""
        def tree(question):
            return question.records(["TXT", "v=spf1 " + " ".join(
                f"include:{number}.{question.name}" for number in range(10))])

        def chain(question):
            return question.records(["TXT", f"v=spf1 include:x{DNS.asked()}."
                                     f"{self.domain} -all"])
        for how in (tree, chain):
            with self.subTest(how.__name__):
                self.setUp()
                self.behave(how)
                # What ten terms include may have been asked beside.
                line = self.want_defined("fail-reject", most=2 * FEW)
                self.want_fields(line, spf="permerror")

    def test_includes_of_one_record(self):
        self.behave(servers.says(["TXT", "v=spf1 " + " ".join(
            f"include:n{number}.{self.domain}" for number in range(1500))]))
        DNS.behave(f"n1.{self.domain}", servers.says(
            ["TXT", "v=spf1 -all"]))
        self.want_fields(self.want_defined("fail-reject"), spf="permerror")

    def test_macro_that_makes_long_names(self):
        long = "%{l}%{d}%{i}%{h}." * 30
        self.serve([["TXT", f"v=spf1 exists:{long}%{{d}} -all"]])
        self.want_defined("fail-reject")
        self.serve([["TXT", f"v=spf1 exists:%{{l}}.{'a.' * 120}%{{d}} -all"]])
        BENCH.postern.ctl("reload")
        self.want_defined("fail-reject")

    def test_macro_that_makes_a_new_name_each_time(self):
        self.serve([["TXT", "v=spf1 exists:%{l}.%{t}.%{d} -all"]])
        for _ in range(5):
            self.want_result("fail-reject")
        self.want_clean_log()

    def test_many_addresses(self):
        """MX and PTR with more names than anybody may ask for."""
        DNS.behave(REVERSE, servers.says(
            *[["PTR", f"p{number}.{self.domain}"] for number in range(400)]))
        self.serve([["TXT", "v=spf1 ptr mx ptr:other.example -all"], *[
            ["MX", number, f"m{number}.{self.domain}"]
            for number in range(400)]])
        self.want_defined("fail-reject", "temperror")

    def test_control_characters(self):
        evil = "evil\r\n\x1b[31m\x00\"\\ \xff=x"
        name = f"a{evil}".replace(".", "") + f".{self.domain}"
        DNS.behave(REVERSE, servers.says(["PTR", name]))
        self.serve(
            [["TXT", f"v=spf1 exists:%{{p}}.{self.domain} "
              f"-all exp=exp.{self.domain}"]],
            **{"exp.{}": [["TXT", f"because {evil} %{{p}}"]],
               name: [["A", EGRESS]]})
        answer, line = self.send()
        self.want_answer(answer, "reply", "550 5.7.26")
        self.assertRegex(answer.reply, r"^[\x20-\x7e]*$")
        self.want_fields(line, dmarc="fail-reject")
        for record in (f"v=spf1 {evil} -all", f"{evil}", f"v=spf1 a:{evil}",
                       f"v=spf1 exp={evil} -all", f"v=spf1 include:{evil}"):
            with self.subTest(record):
                self.setUp()
                self.serve([["TXT", record]],
                           ["TXT", f"v=DMARC1; p=reject; rua={evil}"])
                answer, line = self.send()
                self.assertRegex(answer.reply, r"^[\x20-\x7e]*$")
                self.want_clean_log()

    def test_explanation_doesnt_forge_a_reply(self):
        self.serve([["TXT", f"v=spf1 -all exp=exp.{self.domain}"]],
                   **{"exp.{}": [["TXT", "no\r\n250 2.0.0 queued as 1234"]]})
        answer, _ = self.send()
        self.want_answer(answer, "reply", "550 5.7.26")
        self.assertNotIn("\n", answer.reply)
        self.want_clean_log()


class Reverse(Scripted):
    """At the start: do the addresses have names, and these the addresses?"""

    def warned(self, **names) -> str:
        """What is logged of it after a start with such records."""
        self.serve([], **names)
        BENCH.postern.restart(merged({}))
        self.addCleanup(DNS.heal)
        return wait_until(
            lambda: "\n".join(line for line
                              in BENCH.postern.text().splitlines()
                              if EGRESS in line and "PTR" in line),
            "a warning about the address")

    def test_no_ptr(self):
        self.assertIn("level=warning", self.warned(
            **{REVERSE: []}))

    def test_name_without_the_address(self):
        self.assertIn("level=warning", self.warned(
            **{HELO: [["A", "192.0.2.77"]]}))

    def test_both_agree(self):
        self.serve([])
        BENCH.postern.restart(merged({}))
        wait_until(lambda: DNS.asked(REVERSE, "PTR")
                   and DNS.asked(HELO, "A"), "its questions")
        self.want_result("no-policy", "fail-reject", "pass")
        self.assertNotIn("PTR", BENCH.postern.text())
