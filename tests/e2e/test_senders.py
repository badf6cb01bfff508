"""Who may send as whom: another customer's From is refused, or goes out
without his key."""

from harness import dkimcheck, message
from harness.case import Case
from harness.place import token
from harness.postfix import HOST
from harness.world import World

WORLD = None
IDN = "xn--mller-kva.example"
DOMAINS = ("a.example", "b.example", "shop.example", IDN)
MAP = """\
# as smtpd_sender_login_maps has it
@shop.example        alice@a.example, bare
boss@shop.example    carol@c.example
news@b.example       alice@a.example
@news.a.example      alice@a.example
@m\u00fcller.example anna
"""
LIMITS = {("limit", "plenty"): {"key": "account", "count": "messages",
                                "max": 100000, "per": "1d"}}


def with_senders(**senders) -> dict:
    return {**LIMITS, "senders": senders}


def setUpModule():
    global WORLD
    WORLD = World("senders", LIMITS, keys=DOMAINS)
    WORLD.place.write("logins", MAP)


def tearDownModule():
    WORLD.stop()


class Senders(Case):
    """settings are those of the class's daemon."""

    settings: dict = {}

    @classmethod
    def setUpClass(cls):
        WORLD.postern.restart(cls.settings)

    def story(self):
        return WORLD.story()

    def sent_as(self, author, login: str, sender: str = "", **how):
        """Send as; (reply, signatures of what arrived, log line)."""
        rcpt = token() + "@out.example"
        sender = sender or login
        how.setdefault("params", "BODY=8BITMIME")
        reply = WORLD.send(sender, rcpt, message.compose(author), login,
                           **how)
        names = []
        if reply.ok:
            got = WORLD.sink.take(rcpt).message
            names = dkimcheck.names(got)
            if names:
                self.want_signed(got, WORLD.keys, *names)
        else:
            self.want([], WORLD.sink.find(rcpt), "messages at the sink")
        return reply, names, WORLD.line_of(reply)

    def want_signed_by(self, domain: str, author, login: str, **how):
        reply, names, _ = self.sent_as(author, login, **how)
        self.want_reply(reply, 250)
        self.want([f"{domain}/ed", f"{domain}/rsa"], names,
                  f"signatures of {author!r} by {login}")

    def want_unsigned(self, author, login: str, reason: str, **how):
        reply, names, line = self.sent_as(author, login, **how)
        self.want_reply(reply, 250)
        self.want([], names, f"signatures of {author!r} by {login}")
        self.want_fields(line, reason=reason, action="accept", dkim="none")

    def want_refused(self, author, login: str, *words, **how):
        reply, _, line = self.sent_as(author, login, **how)
        self.want_reply(reply, 550, "5.7.1", *words)
        self.want("EOM", reply.stage, "refused at")
        self.want_fields(line, action="reject")


class ByDefault(Senders):
    settings = LIMITS

    def test_own_address_is_signed(self):
        self.want_signed_by("a.example", "alice@a.example",
                            "alice@a.example")

    def test_colleague_of_the_own_domain_is_signed(self):
        self.want_signed_by("a.example", "info@a.example", "alice@a.example")

    def test_extension_is_the_same_user(self):
        self.want_signed_by("a.example", "alice+news@a.example",
                            "alice@a.example",
                            sender="alice+bounces@a.example")

    def test_foreign_from_goes_out_without_the_others_key(self):
        self.want_unsigned("bob@b.example", "alice@a.example",
                           "from_mismatch")

    def test_foreign_from_behind_ones_own_name(self):
        for author in ("alice@a.example <bob@b.example>",
                       "\"alice@a.example\" <bob@b.example>",
                       "(alice@a.example) bob@b.example",
                       "bob@b.example (alice@a.example)",
                       "alice@a.example, bob@b.example",
                       "x:alice@a.example, bob@b.example;",
                       "=?utf-8?q?alice=40a.example?= <bob@b.example>"):
            with self.subTest(author):
                _, names, line = self.sent_as(author, "alice@a.example")
                self.assertFalse([one for one in names if "b.example" in one],
                                 names)
                self.assertIn(line["reason"], ("from_mismatch", "bad_from"))

    def test_foreign_envelope_is_observed(self):
        _, names, line = self.sent_as("alice@a.example", "alice@a.example",
                                      sender="bob@b.example")
        self.want(["a.example/ed", "a.example/rsa"], names, "signatures")
        self.want_fields(line, reason="envelope_mismatch", action="accept",
                         would="reject")

    def test_bad_from_is_observed(self):
        for author in (None, ["alice@a.example", "alice@a.example"],
                       ["alice@a.example", "bob@b.example"], "nobody", ""):
            with self.subTest(author=author):
                self.want_unsigned(author, "alice@a.example", "bad_from")

    def test_login_in_any_case(self):
        self.want_signed_by("a.example", "Alice@A.Example",
                            "ALICE@A.EXAMPLE", sender="alice@a.example")

    def test_bare_login_owns_nothing(self):
        self.want_unsigned("alice@a.example", "alice", "envelope_mismatch",
                           sender="alice@a.example")

    def test_login_that_looks_like_two(self):
        for login in ("alice@a.example@b.example", "alice@a.example,x",
                      "@b.example", "b.example", "*"):
            with self.subTest(login):
                reply, names, _ = self.sent_as("bob@b.example", login,
                                               sender="bob@b.example")
                self.want_reply(reply, 250)
                self.want([], names, f"signatures for {login!r}")

    def test_subdomain_is_another_domain(self):
        for author in ("x@sub.a.example", "x@xa.example",
                       "x@a.example.b.example"):
            with self.subTest(author):
                self.want_unsigned(author, "alice@a.example",
                                   "from_mismatch")

    def test_idn(self):
        login = f"anna@{IDN}"
        for author in (f"anna@{IDN}", "anna@m\u00fcller.example",
                       "anna@M\u00dcLLER.example", f"ANNA@{IDN.upper()}"):
            with self.subTest(author):
                self.want_signed_by(IDN, author, login,
                                    params="BODY=8BITMIME SMTPUTF8")

    def test_null_sender_of_a_customer(self):
        rcpt = token() + "@out.example"
        reply = WORLD.send("", rcpt, message.compose("alice@a.example"),
                           "alice@a.example")
        self.want_reply(reply, 250)
        self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                         "a.example/ed", "a.example/rsa")

    def test_inbound_mail_is_left_alone(self):
        rcpt = token() + "@inbound.example"
        sent = message.compose("alice@a.example")
        reply = WORLD.send("alice@a.example", rcpt, sent)
        self.want_reply(reply, 250)
        self.want([], dkimcheck.names(WORLD.sink.take(rcpt).message),
                  "signatures")
        self.want_fields(WORLD.line_of(reply), class_="inbound",
                         action="accept")


class Rejecting(Senders):
    settings = with_senders(on_mismatch="reject", on_bad_from="reject")

    def test_foreign_from(self):
        self.want_refused("bob@b.example", "alice@a.example",
                          "alice@a.example", "bob@b.example")

    def test_foreign_envelope(self):
        self.want_refused("alice@a.example", "alice@a.example",
                          "bob@b.example", sender="bob@b.example")

    def test_one_foreign_among_several(self):
        self.want_refused("alice@a.example, bob@b.example",
                          "alice@a.example", "bob@b.example")

    def test_several_of_ones_own(self):
        self.want_signed_by("a.example", "alice@a.example, info@a.example",
                            "alice@a.example")

    def test_bad_from(self):
        for author in (None, "nobody", "",
                       ["alice@a.example", "alice@a.example"],
                       ["alice@a.example"] * 40):
            with self.subTest(author=author):
                self.want_refused(author, "alice@a.example", "From")

    def test_null_sender_is_no_mismatch(self):
        self.want_reply(WORLD.send("", "r@out.example", message.compose(
            "alice@a.example"), "alice@a.example"), 250)

    def test_reply_has_no_text_of_theirs_unclean(self):
        for author in ("\"100%s%n\"@b.example", "\"a b\"@b.example",
                       "\"\u00e4\"@b.example", "%s%s@b.example"):
            with self.subTest(author):
                self.want_refused(author, "alice@a.example")

    def test_after_a_refusal_the_session_goes_on(self):
        rcpt = token() + "@out.example"
        with WORLD.client("alice@a.example") as client:
            for _ in range(3):
                reply = client.send("alice@a.example", rcpt,
                                    message.compose("bob@b.example"))
                self.want_reply(reply, 550, "5.7.1")
            self.want_reply(client.send(
                "alice@a.example", rcpt,
                message.compose("alice@a.example")), 250)
        self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                         "a.example/ed", "a.example/rsa")
        self.want(1, len(WORLD.sink.find(rcpt)), "messages at the sink")


class FromMap(Senders):
    @classmethod
    def setUpClass(cls):
        cls.settings = with_senders(
            owners="map", map=f"texthash:{WORLD.place.at('logins')}",
            on_mismatch="reject", default_domain=HOST)
        super().setUpClass()

    def test_own_domain_still(self):
        self.want_signed_by("a.example", "alice@a.example",
                            "alice@a.example")

    def test_domain_of_the_map(self):
        self.want_signed_by("shop.example", "any@shop.example",
                            "alice@a.example")

    def test_bare_login_of_the_map(self):
        self.want_signed_by("shop.example", "any@shop.example", "bare",
                            sender="any@shop.example")

    def test_login_qualified_by_default_domain(self):
        self.want_signed_by("shop.example", "any@shop.example",
                            f"bare@{HOST}", sender="any@shop.example")

    def test_address_goes_before_domain(self):
        self.want_refused("boss@shop.example", "alice@a.example",
                          "boss@shop.example")
        self.want_signed_by("shop.example", "boss@shop.example",
                            "carol@c.example")

    def test_extension_is_looked_up_without_it(self):
        self.want_refused("boss+x@shop.example", "alice@a.example")

    def test_one_address_of_anothers_domain(self):
        self.want_signed_by("b.example", "news@b.example",
                            "alice@a.example")
        self.want_refused("other@b.example", "alice@a.example")

    def test_parents_key_signs_a_subdomain_of_the_owner(self):
        self.want_signed_by("a.example", "x@news.a.example",
                            "alice@a.example")

    def test_parents_key_doesnt_sign_for_another(self):
        # alice owns news.a.example and its parent; nobody else does.
        self.want_refused("x@news.a.example", "mallory@b.example")

    def test_idn_in_the_map(self):
        self.want_signed_by(IDN, f"x@{IDN}", "anna",
                            sender=f"x@{IDN}")

    def test_stranger_gets_nothing(self):
        for author in ("any@shop.example", "boss@shop.example",
                       "news@b.example", "x@elsewhere.example"):
            with self.subTest(author):
                self.want_refused(author, "mallory@c.example")


class DefaultDomain(Senders):
    settings = with_senders(default_domain="a.example",
                            on_mismatch="reject")

    def test_bare_login(self):
        self.want_signed_by("a.example", "alice@a.example", "alice",
                            sender="alice@a.example")

    def test_bare_login_as_another(self):
        self.want_refused("bob@b.example", "alice",
                          sender="alice@a.example")


class All(Senders):
    settings = with_senders(owners="all", on_mismatch="reject")

    def test_any_domain_with_a_key(self):
        for domain in DOMAINS:
            with self.subTest(domain):
                self.want_signed_by(domain, f"x@{domain}", "alice",
                                    sender=f"x@{domain}")

    def test_no_key_no_ownership(self):
        self.want_refused("x@elsewhere.example", "alice",
                          sender="x@a.example")


class Observing(Senders):
    """The whole daemon observes: all is decided, nothing refused."""

    settings = {**with_senders(on_mismatch="reject", on_bad_from="reject"),
                "mode": "observe"}

    def test_foreign_from(self):
        _, names, line = self.sent_as("bob@b.example", "alice@a.example")
        self.want([], names, "signatures")
        self.want_fields(line, action="accept", would="reject",
                         reason="from_mismatch")
        _, _, line = self.sent_as(None, "alice@a.example")
        self.want_fields(line, would="reject", reason="bad_from")
