"""What receivers will see, judged before relay: real Postfix, real DNS."""

from harness import dkimcheck, message
from harness.case import Case
from harness.dns import Nsd
from harness.place import Place, token, wait_until
from harness.postfix import HOST
from harness.world import RELAYER, World

PLACE = NSD = WORLD = None

EGRESS, HELO = "192.0.2.10", "mx1.postern.example"
OTHER_EGRESS, OTHER_HELO = "192.0.2.11", "mx2.postern.example"
OWN = "a.example"
LOGIN = f"alice@{OWN}"
PASSES = [["TXT", f"v=spf1 ip4:{EGRESS} -all"]]
FAILS = [["TXT", "v=spf1 -all"]]


def dmarc(policy: str, more: str = "") -> list:
    return [["TXT", f"v=DMARC1; p={policy}{more}"]]


# Domains with keys here; what of them is published is said in zone().
SIGNERS = (OWN, "both.example", "dkim.example", "unpublished.example",
           "different.example", "revoked.example", "half.example",
           "halfdifferent.example", "quarantine.example", "none.example",
           "nopolicy.example", HOST)
NAMES = {
    HELO: [["A", EGRESS], *PASSES],
    OTHER_HELO: [["A", OTHER_EGRESS], *PASSES],
    "10.2.0.192.in-addr.arpa": [["PTR", HELO]],
    "11.2.0.192.in-addr.arpa": [["PTR", OTHER_HELO]],
    "_dmarc.postern.example": dmarc("reject"),
    OWN: PASSES, f"_dmarc.{OWN}": dmarc("reject"),
    # Another bank's customer, who has nothing to do with this server.
    "bank.example": FAILS, "_dmarc.bank.example": dmarc("reject"),
    "both.example": PASSES, "_dmarc.both.example": dmarc("reject"),
    "spf.example": PASSES, "_dmarc.spf.example": dmarc("reject"),
    "first.example": PASSES, "_dmarc.first.example": dmarc("reject"),
    "dkim.example": FAILS, "_dmarc.dkim.example": dmarc("reject"),
    "strict.dkim.example": FAILS,
    "_dmarc.strict.dkim.example": dmarc("reject", "; adkim=s"),
    "unpublished.example": FAILS,
    "_dmarc.unpublished.example": dmarc("reject"),
    "different.example": FAILS, "_dmarc.different.example": dmarc("reject"),
    "revoked.example": FAILS, "_dmarc.revoked.example": dmarc("reject"),
    "half.example": FAILS, "_dmarc.half.example": dmarc("reject"),
    "halfdifferent.example": FAILS,
    "_dmarc.halfdifferent.example": dmarc("reject"),
    "quarantine.example": FAILS,
    "_dmarc.quarantine.example": dmarc("quarantine"),
    "none.example": FAILS, "_dmarc.none.example": dmarc("none"),
    "nopolicy.example": FAILS,
    "testing.example": FAILS,
    "_dmarc.testing.example": dmarc("reject", "; t=y"),
    "parent.example": FAILS, "below.parent.example": FAILS,
    "_dmarc.parent.example": dmarc("none", "; sp=reject"),
    # One standard finds this by its walk, the other never looks there.
    "a.b.walk.example": FAILS,
    "_dmarc.b.walk.example": dmarc("reject"),
}
ED, RSA = "ed._domainkey.", "rsa._domainkey."


def zone() -> dict:
    """NAMES, and the keys as far as they are published."""
    records = {**NAMES, **WORLD.keys.zone(
        OWN, "both.example", "dkim.example", RSA + "half.example",
        RSA + "halfdifferent.example", HOST)}
    another = WORLD.keys.zone(ED + OWN, RSA + OWN)
    records.update({
        RSA + "different.example": another[RSA + OWN],
        ED + "different.example": another[ED + OWN],
        ED + "halfdifferent.example": another[ED + OWN],
        RSA + "revoked.example": [["TXT", "v=DKIM1; k=rsa; p="]],
        ED + "revoked.example": [["TXT", "v=DKIM1; k=ed25519; p="]]})
    return records


def setUpModule():
    global PLACE, NSD, WORLD
    PLACE = Place("preflight-dns")
    try:
        NSD = Nsd(PLACE, NAMES).start()
        WORLD = World("preflight", settings(), keys=SIGNERS)
        NSD.load(zone())
        # What the daemon knows of the time before isn't so any more.
        WORLD.postern.restart()
    except BaseException:
        tearDownModule()
        raise


def tearDownModule():
    try:
        if WORLD is not None:
            WORLD.stop()
    finally:
        if NSD is not None:
            NSD.stop()
        PLACE.remove()


def settings(egress=(f"{EGRESS} {HELO}",)) -> dict:
    return {
        **NSD.settings(),
        "egress": list(egress) if egress else None,
        ("limit", "plenty"): {"key": "account", "count": "messages",
                              "max": 100000, "per": "1d"}}


def submission(**options) -> dict:
    return {**settings(), ("class", "submission"): options}


class Preflight(Case):
    """SETTINGS() are those of the class's daemon."""

    @staticmethod
    def SETTINGS() -> dict:
        return settings()

    @classmethod
    def setUpClass(cls):
        WORLD.postern.restart(cls.SETTINGS())

    def story(self):
        return f"{WORLD.story()}\n{NSD.story()}"

    def post(self, author: str, login: str = None, sender: str = None,
             sent: bytes = b"", **how):
        """A message From author, by its own account unless login is given:
        (reply, what arrived, log line)."""
        login = author if login is None else login
        rcpt = f"{token()}@out.example"
        reply = WORLD.send(login if sender is None else sender, rcpt,
                           sent or message.compose(author), login, **how)
        got = WORLD.sink.take(rcpt).message if reply.ok else b""
        if not reply.ok:
            self.want([], WORLD.sink.find(rcpt), "messages at the sink")
        return reply, got, WORLD.line_of(reply)

    def want_sent(self, author: str, *signers: str, **how) -> dict:
        """It leaves, signed by these keys, and they are good."""
        wanted, fields = how.pop("fields", {}), dict(how)
        reply, got, line = self.post(author, **fields)
        self.want_reply(reply, 250)
        self.want_fields(line, action="accept", **wanted)
        self.want(sorted(signers), dkimcheck.names(got),
                  f"signatures of {author}")
        if signers:
            self.want_signed(got, WORLD.keys, *signers)
        return line

    def want_refused(self, author: str, *words: str, code: int = 550,
                     status: str = "5.7.26", **how) -> dict:
        """It is refused in one line that has these words."""
        wanted, fields = how.pop("fields", {}), dict(how)
        reply, _, line = self.post(author, **fields)
        self.want_reply(reply, code, status, *words)
        self.want("EOM", reply.stage, "refused at")
        self.want(1, len(reply.lines), "lines of the reply")
        self.want_fields(line, action="reject" if code >= 500
                         else "tempfail", **wanted)
        return line

    def want_observed(self, author: str, *signers: str, **how) -> dict:
        """It leaves, and the log says what would be done about it."""
        fields = {"would": "reject", "reason": "unaligned",
                  **how.pop("fields", {})}
        return self.want_sent(author, *signers, fields=fields, **how)


def both(domain: str) -> tuple:
    return f"{domain}/ed", f"{domain}/rsa"


class ByDefault(Preflight):
    """With egress, and nothing else set."""

    def test_spoof_is_refused(self):
        line = self.want_refused(
            "ceo@bank.example", "SPF passes for a.example, which isn't "
            "aligned with bank.example", "no DKIM key of bank.example here",
            "its DMARC policy is reject", login=LOGIN,
            fields={"reason": "unaligned", "spf": "pass",
                    "dmarc": "fail-reject", "subject": "bank.example"})
        self.assertIn("is reject", line["detail"])

    def test_spoof_of_envelope_and_from_is_refused(self):
        self.want_refused(
            "ceo@bank.example", f"SPF of bank.example doesn't include "
            f"{EGRESS}", "no DKIM key of bank.example here",
            "its DMARC policy is reject", login=LOGIN,
            sender="ceo@bank.example",
            fields={"spf": "fail", "dmarc": "fail-reject"})

    def test_its_owner_may(self):
        """The same message, from whom it says it is from."""
        self.want_sent(LOGIN, *both(OWN),
                       fields={"spf": "pass", "dmarc": "pass",
                               "dkim": f"{OWN}/ed,{OWN}/rsa"})

    def test_spf_alone_suffices(self):
        line = self.want_sent("x@spf.example", fields={
            "spf": "pass", "dmarc": "pass", "dkim": "none"})
        self.assertNotIn("would", line)

    def test_dkim_alone_suffices(self):
        self.want_sent("x@dkim.example", *both("dkim.example"), fields={
            "spf": "fail", "dmarc": "pass"})

    def test_key_that_isnt_published(self):
        self.want_refused(
            "x@unpublished.example", "_domainkey.unpublished.example",
            "DMARC policy", "is reject", fields={"dmarc": "fail-reject"})

    def test_other_key_is_published(self):
        self.want_refused("x@different.example",
                          "_domainkey.different.example",
                          fields={"dmarc": "fail-reject"})

    def test_revoked_key(self):
        self.want_refused("x@revoked.example",
                          "_domainkey.revoked.example",
                          fields={"dmarc": "fail-reject"})

    def test_only_the_visible_key_signs(self):
        for domain in ("half.example", "halfdifferent.example"):
            with self.subTest(domain):
                self.want_sent(f"x@{domain}", f"{domain}/rsa",
                               fields={"dmarc": "pass"})

    def test_quarantine_is_observed(self):
        self.want_observed("x@quarantine.example",
                           *both("quarantine.example"),
                           fields={"dmarc": "fail-quarantine"})

    def test_policy_none_is_observed(self):
        self.want_observed("x@none.example", *both("none.example"),
                           fields={"dmarc": "fail-none"})

    def test_no_policy_is_accepted(self):
        line = self.want_sent("x@nopolicy.example",
                              *both("nopolicy.example"),
                              fields={"dmarc": "no-policy"})
        self.assertNotIn("would", line)

    def test_policy_of_subdomains(self):
        self.want_refused("x@below.parent.example",
                          fields={"dmarc": "fail-reject"})
        self.want_observed("x@parent.example",
                           fields={"dmarc": "fail-none"})

    def test_mildest_profile_decides(self):
        """One finds p=reject, the other finds nothing; and by t=y only one
        is a step milder."""
        self.want_sent("x@a.b.walk.example", fields={
            "dmarc": "no-policy",
            "profiles": "rfc9989:fail-reject,rfc7489:no-policy"})
        self.want_observed("x@testing.example", fields={
            "dmarc": "fail-quarantine",
            "profiles": "rfc9989:fail-quarantine,rfc7489:fail-reject"})

    def test_null_sender_is_judged_by_helo(self):
        self.want_sent(f"postmaster@{HELO}", login=LOGIN, sender="",
                       fields={"spf": "pass", "dmarc": "pass"})
        self.want_refused("ceo@bank.example", f"{HELO}", login=LOGIN,
                          sender="", fields={"spf": "pass"})

    def test_relay_is_observed(self):
        rcpt = f"{token()}@out.example"
        reply = WORLD.send("ceo@bank.example", rcpt,
                           message.compose("ceo@bank.example"),
                           address="127.0.0.1")
        self.want_reply(reply, 250)
        self.want_fields(WORLD.line_of(reply), class_="relay",
                         dmarc="fail-reject", action="accept",
                         would="reject")

    def test_inbound_is_left_alone(self):
        rcpt = f"{token()}@inbound.example"
        reply = WORLD.send("ceo@bank.example", rcpt,
                           message.compose("ceo@bank.example"),
                           address=RELAYER)
        self.want_reply(reply, 250)
        line = WORLD.line_of(reply)
        self.want_fields(line, class_="inbound", action="accept")
        self.assertNotIn("dmarc", line)

    def test_two_authors_the_worse_counts(self):
        self.want_refused(f"{LOGIN}, ceo@bank.example", "bank.example",
                          login=LOGIN, fields={"subject": "bank.example"})

    def test_no_author_is_observed(self):
        reply, got, line = self.post("", login=LOGIN,
                                     sent=message.compose(None))
        self.want_reply(reply, 250)
        self.want([], dkimcheck.names(got), "signatures")
        self.want_fields(line, dmarc="permerror", action="accept")


class WithoutEgress(Preflight):
    """SPF isn't known: nothing is refused that might be right."""

    @staticmethod
    def SETTINGS():
        return settings(egress=())

    def test_unauthorized_server_is_only_logged(self):
        line = self.want_observed("x@spf.example",
                                  fields={"dmarc": "fail-reject"})
        self.assertNotIn("spf", line)

    def test_spoof_is_refused_where_spf_cant_help(self):
        """It would be of another domain, whatever it says."""
        self.want_refused("ceo@bank.example", "SPF is of a.example",
                          login=LOGIN, fields={"dmarc": "fail-reject"})

    def test_good_key_passes(self):
        line = self.want_sent(LOGIN, *both(OWN), fields={"dmarc": "pass"})
        self.assertNotIn("would", line)

    def test_dead_key_is_only_logged(self):
        self.want_observed("x@unpublished.example",
                           *both("unpublished.example"),
                           fields={"dmarc": "fail-reject"})


class Observing(Preflight):
    @staticmethod
    def SETTINGS():
        return {**settings(), "mode": "observe"}

    def test_nothing_is_refused(self):
        self.want_sent("ceo@bank.example", login=LOGIN, fields={
            "dmarc": "fail-reject", "spf": "pass", "would": "reject"})
        self.want_observed("x@unpublished.example",
                           *both("unpublished.example"),
                           fields={"dmarc": "fail-reject"})
        self.want_sent(LOGIN, *both(OWN), fields={"dmarc": "pass"})


class OneClassObserving(Preflight):
    @staticmethod
    def SETTINGS():
        return submission(mode="observe")

    def test_it_observes(self):
        self.want_observed("x@unpublished.example",
                           *both("unpublished.example"),
                           fields={"dmarc": "fail-reject"})


class OtherActions(Preflight):
    """A class says for itself what is done."""

    @staticmethod
    def SETTINGS():
        return {**settings(),
                "preflight": {"on_fail_quarantine": "tempfail"},
                ("class", "submission"): {
                    "on_fail_reject": "hold", "on_fail_none": "reject",
                    "on_no_policy": "reject", "on_permerror": "reject"},
                ("class", "relay"): {"mode": "enforce",
                                     "on_fail_reject": "reject"}}

    def test_hold(self):
        rcpt = f"{token()}@out.example"
        reply = WORLD.send(LOGIN, rcpt, message.compose("ceo@bank.example"),
                           LOGIN)
        self.want_reply(reply, 250)
        self.want_fields(WORLD.line_of(reply), action="hold",
                         reason="unaligned")
        self.want(1, len(WORLD.postfix.held(rcpt)), "messages on hold")

    def test_tempfail_of_the_section(self):
        self.want_refused("x@quarantine.example", code=450, status="4.7.26",
                          fields={"dmarc": "fail-quarantine"})

    def test_refuse_policy_none(self):
        self.want_refused("x@none.example", "none.example is none",
                          fields={"dmarc": "fail-none"})

    def test_refuse_without_policy(self):
        self.want_refused("x@nopolicy.example",
                          "nopolicy.example has no DMARC record",
                          fields={"dmarc": "no-policy",
                                  "reason": "no_dmarc"})

    def test_refuse_without_author(self):
        reply, _, line = self.post("", login=LOGIN,
                                   sent=message.compose(None))
        self.want_reply(reply, 550, "5.7.1", "From")
        self.want_fields(line, dmarc="permerror", reason="no_author")

    def test_relay_refuses(self):
        reply = WORLD.send("ceo@bank.example", "r@out.example",
                           message.compose("ceo@bank.example"),
                           address="127.0.0.1")
        self.want_reply(reply, 550, "5.7.26", "DMARC policy", "is reject")


class Off(Preflight):
    @staticmethod
    def SETTINGS():
        return submission(preflight=False)

    def test_no_preflight(self):
        line = self.want_sent("x@unpublished.example",
                              *both("unpublished.example"))
        self.assertNotIn("dmarc", line)
        self.assertNotIn("spf", line)


class AnyOwner(Preflight):
    """Whoever logs in may use all domains: a parent's key signs for what is
    below it."""

    @staticmethod
    def SETTINGS():
        return submission(owners="all")

    def test_relaxed_alignment(self):
        self.want_sent("x@below.dkim.example", *both("dkim.example"),
                       fields={"spf": "none", "dmarc": "pass"})

    def test_strict_alignment_wants_the_same_domain(self):
        self.want_refused("x@strict.dkim.example", "(adkim=s)",
                          "its DMARC policy is reject",
                          fields={"dmarc": "fail-reject"})


class KeysNotChecked(Preflight):
    @staticmethod
    def SETTINGS():
        return submission(check_published_key=False)

    def test_key_is_taken_as_published(self):
        self.want_sent("x@unpublished.example", *both("unpublished.example"),
                       fields={"dmarc": "pass"})
        self.want_sent("x@half.example", *both("half.example"))


class BothPass(Preflight):
    """As for bulk mail: SPF and DKIM, one of them aligned."""

    @staticmethod
    def SETTINGS():
        return submission(profiles=["both_pass"])

    def test_both(self):
        self.want_sent(LOGIN, *both(OWN), fields={"dmarc": "pass"})

    def test_one_isnt_enough(self):
        self.want_refused("x@dkim.example", "SPF of dkim.example")
        self.want_refused("x@spf.example", "DKIM")

    def test_without_a_record(self):
        self.want_refused("x@nopolicy.example")

    def test_spf_may_be_of_another_domain(self):
        """SPF passes for the envelope's domain, the signature is aligned."""
        self.want_sent("x@dkim.example", *both("dkim.example"),
                       sender="x@spf.example", fields={"spf": "pass"})


class SeveralProfiles(Preflight):
    @staticmethod
    def SETTINGS():
        return submission(profiles=["rfc9989", "both_pass"])

    def test_mildest_decides(self):
        self.want_sent("x@dkim.example", *both("dkim.example"), fields={
            "dmarc": "pass",
            "profiles": "rfc9989:pass,both_pass:fail-reject"})


class SeveralEgress(Preflight):
    @staticmethod
    def SETTINGS():
        return settings(egress=(f"{EGRESS} {HELO}",
                                f"{OTHER_EGRESS} {OTHER_HELO}"))

    def test_worst_counts(self):
        self.want_refused(
            "x@first.example",
            f"SPF of first.example doesn't include {OTHER_EGRESS}",
            fields={"spf": "fail", "dmarc": "fail-reject"})

    def test_dkim_makes_it_good(self):
        self.want_sent("x@both.example", *both("both.example"),
                       fields={"spf": "fail", "dmarc": "pass"})

    def test_helo_of_each(self):
        """The null sender has a HELO at each address, and one's record knows
        only the other."""
        self.want_refused(f"postmaster@{OTHER_HELO}", OTHER_EGRESS,
                          login=LOGIN, sender="", fields={"spf": "fail"})


class EgressMap(Preflight):
    """Some senders leave from one address alone."""

    @staticmethod
    def SETTINGS():
        file = PLACE.write("egress", f"""\
@first.example      {EGRESS}
@.sub.example       {EGRESS} {HELO}
one@spf.example     {OTHER_EGRESS}
""")
        return {**settings(egress=(f"{EGRESS} {HELO}",
                                   f"{OTHER_EGRESS} {OTHER_HELO}")),
                "egress_map": f"texthash:{file}"}

    def test_its_own_address(self):
        self.want_sent("x@first.example", fields={"spf": "pass",
                                                  "dmarc": "pass"})

    def test_of_one_sender(self):
        self.want_refused(
            "one@spf.example",
            f"SPF of spf.example doesn't include {OTHER_EGRESS}",
            fields={"spf": "fail"})

    def test_whoever_isnt_there_has_all(self):
        self.want_refused("x@spf.example", OTHER_EGRESS)


class OfThisHost(Preflight):
    """Mail of sendmail(1): never a 4xx, never a 5xx to an address that may be
    forged."""

    @staticmethod
    def SETTINGS():
        return {**settings(), ("class", "local"): {
            "mode": "enforce", "on_fail_reject": "tempfail",
            "on_fail_quarantine": "reject", "on_temperror": "tempfail"}}

    def sendmail(self, author: str, sender: str) -> str:
        rcpt = f"{token()}@out.example"
        ran = WORLD.postfix.sendmail(
            ["-i", "-f", sender or "<>", rcpt], message.compose(author), 5001)
        self.want(0, ran.returncode, f"exit status of sendmail "
                  f"({ran.stdout!r})")
        wait_until(lambda: WORLD.sink.find(rcpt)
                   or WORLD.postfix.held(rcpt), f"the message for {rcpt}\n"
                   + self.story(), 40)
        return rcpt

    def want_held(self, author: str, sender: str) -> None:
        rcpt = self.sendmail(author, sender)
        self.want([], WORLD.sink.find(rcpt), "messages at the sink")
        self.want(1, len(WORLD.postfix.held(rcpt)), "messages on hold")

    def test_tempfail_becomes_hold(self):
        self.want_held("ceo@bank.example", f"web@{HOST}")

    def test_refusal_of_a_strangers_envelope_becomes_hold(self):
        self.want_held("x@quarantine.example", "x@elsewhere.example")

    def test_bounces_are_held(self):
        self.want_held("ceo@bank.example", "")

    def test_own_mail_leaves(self):
        rcpt = self.sendmail(f"web@{HOST}", f"web@{HOST}")
        got = WORLD.sink.take(rcpt).message
        self.want_signed(got, WORLD.keys, *both(HOST))
