"""Mail that comes with signatures already, and with results of others'
checks: lists, redirects, customers' own signers; and our own, seen again."""

import dkim

from harness import dkimcheck, message
from harness.case import Case
from harness.dns import ScriptedDns, servfail
from harness.keys import Keys
from harness.place import token
from harness.postfix import HOST
from harness.world import World

DNS = WORLD = ELSEWHERE = None

EGRESS, HELO = "192.0.2.10", "mx1.postern.example"
OWN, LIST = "a.example", "list.example"
LOGIN, LISTS = f"alice@{OWN}", f"bounces@{LIST}"
# Of somebody whose mail server is elsewhere.
AUTHOR, OTHER = "author.example", "other.example"
FROM = f"bob@{AUTHOR}"
PASSES = [["TXT", f"v=spf1 ip4:{EGRESS} -all"]]
FAILS = [["TXT", "v=spf1 -all"]]
REJECT = [["TXT", "v=DMARC1; p=reject"]]


def setUpModule():
    global DNS, WORLD, ELSEWHERE
    DNS = ScriptedDns()
    WORLD = World("signed", settings(), keys=(OWN, LIST))
    user = WORLD.postern.user
    ELSEWHERE = Keys(WORLD.place.at("elsewhere"), user.pw_uid, user.pw_gid)
    for domain in (AUTHOR, OTHER):
        ELSEWHERE.add(domain, "s1")
        ELSEWHERE.add(domain, "s2")
        ELSEWHERE.add(domain, "gone")
    WORLD.postern.stop()
    DNS.put(zone())
    WORLD.postern.start()


def tearDownModule():
    try:
        WORLD.stop()
    finally:
        DNS.stop()


def zone() -> dict:
    names = {HELO: [["A", EGRESS], *PASSES],
             "10.2.0.192.in-addr.arpa": [["PTR", HELO]]}
    for domain, spf in ((OWN, PASSES), (LIST, PASSES), (AUTHOR, FAILS),
                        (OTHER, FAILS)):
        names.update({domain: spf, f"_dmarc.{domain}": REJECT})
    names.update(WORLD.keys.zone())
    names.update(ELSEWHERE.zone())
    names[f"gone._domainkey.{AUTHOR}"] = [["TXT", "v=DKIM1; p="]]
    return names


def settings(**changes) -> dict:
    return {
        **DNS.settings(),
        "egress": [f"{EGRESS} {HELO}"],
        ("limit", "plenty"): {"key": "account", "count": "messages",
                              "max": 100000, "per": "1d"},
        # What senders may use is other tests' matter.
        "senders": {"on_mismatch": "observe"},
        ("class", "submission"): {"on_temperror": "tempfail"},
        **changes}


def signed(text: bytes, domain: str = AUTHOR, selector: str = "s1",
           keys: Keys = None, **how) -> bytes:
    """The message with one signature more."""
    with open((keys or ELSEWHERE).file(domain, selector), "rb") as file:
        key = file.read()
    how.setdefault("include_headers",
                   [b"from", b"to", b"subject", b"date", b"message-id"])
    how.setdefault("canonicalize", (b"relaxed", b"relaxed"))
    return dkim.sign(text, selector.encode(), domain.encode(), key,
                     **how) + text


class Signed(Case):
    def setUp(self):
        DNS.heal()

    def story(self):
        return f"{WORLD.story()}\n{DNS.story()}"

    def post(self, sent: bytes, login: str = LISTS, sender: str = None,
             **how):
        """(reply, what arrived, log line)"""
        rcpt = f"{token()}@out.example"
        reply = WORLD.send(login if sender is None else sender, rcpt, sent,
                           login, **how)
        got = WORLD.sink.take(rcpt).message if reply.ok else b""
        return reply, got, WORLD.line_of(reply)

    def want_sent(self, sent: bytes, **how) -> bytes:
        reply, got, line = self.post(sent, **how)
        self.want_reply(reply, 250)
        self.want_fields(line, action="accept", dmarc="pass")
        self.assertTrue(got.endswith(sent), "changed on its way")
        return got

    def want_refused(self, sent: bytes, *words: str, **how) -> None:
        reply, _, line = self.post(sent, **how)
        self.want_reply(reply, 550, "5.7.26", *words)
        self.want_fields(line, dmarc="fail-reject")

    def want_deferred(self, sent: bytes, **how) -> None:
        reply, _, line = self.post(sent, **how)
        self.want_reply(reply, 451, "4.7.1")
        self.want_fields(line, dmarc="temperror")


class OfTheAuthor(Signed):
    """Sent on by a list, whose SPF and key are its own."""

    def test_without_signature_it_is_refused(self):
        self.want_refused(message.compose(FROM), AUTHOR)

    def test_intact_is_enough(self):
        got = self.want_sent(signed(message.compose(FROM)))
        self.want([f"{AUTHOR}/s1 pass"], [
            one for one in dkimcheck.by_python(got, ELSEWHERE.records)
            if one.startswith(AUTHOR)], "signatures at the receiver's")

    def test_fields_that_a_list_adds_do_no_harm(self):
        sent = signed(message.compose(FROM))
        self.want_sent(b"List-Id: <all.list.example>\r\n"
                       b"Sender: all-bounces@list.example\r\n" + sent)

    def test_redirect_keeps_the_null_sender(self):
        self.want_sent(signed(message.compose(FROM)), sender="")

    def test_relayed_for_a_customer(self):
        """Whose own server signs, and has no login here."""
        sent = signed(message.compose(FROM))
        rcpt = f"{token()}@out.example"
        reply = WORLD.send(f"x@{AUTHOR}", rcpt, sent, address="127.0.0.1")
        self.want_reply(reply, 250)
        self.want_fields(WORLD.line_of(reply), class_="relay", spf="fail",
                         dmarc="pass")

    def test_all_canonicalizations(self):
        body = b"a  b \t\r\n\r\n  \r\n" + bytes(range(128, 256)) + b"\r\n\r\n"
        for header in (b"simple", b"relaxed"):
            for one in (b"simple", b"relaxed"):
                with self.subTest(header=header, body=one):
                    self.want_sent(signed(
                        message.compose(FROM, body, [
                            ("Subject", "one\r\n\ttwo  three ")],
                            subject=None),
                        canonicalize=(header, one)), params="BODY=8BITMIME")

    def test_long_body(self):
        self.want_sent(signed(message.compose(
            FROM, b"0123456789abcdef\r\n" * 60000)))

    def test_altered_is_refused(self):
        sent = signed(message.compose(FROM))
        footer = b"-- \r\nThe list\r\n"
        for name, altered in (
                ("body", sent + footer),
                ("subject", sent.replace(b"Subject: ", b"Subject: [list] ")),
                ("signature", sent.replace(b"\r\n b=", b"\r\n b=AA", 1))):
            with self.subTest(name):
                self.assertNotEqual(sent, altered)
                self.want_refused(altered, AUTHOR)

    def test_length_tag_covers_a_footer(self):
        sent = signed(message.compose(FROM), length=True)
        self.want_sent(sent + b"-- \r\nThe list\r\n")

    def test_revoked_key(self):
        self.want_refused(signed(message.compose(FROM), selector="gone"),
                          AUTHOR)

    def test_key_that_isnt_there(self):
        keys = Keys(WORLD.place.at("secret"), WORLD.postern.user.pw_uid,
                    WORLD.postern.user.pw_gid)
        keys.add(AUTHOR, "nowhere")
        self.want_refused(signed(message.compose(FROM), selector="nowhere",
                                 keys=keys), AUTHOR)

    def test_lost_key_is_no_failure(self):
        DNS.behave(f"lost._domainkey.{AUTHOR}", servfail)
        keys = Keys(WORLD.place.at("lost"), WORLD.postern.user.pw_uid,
                    WORLD.postern.user.pw_gid)
        keys.add(AUTHOR, "lost")
        sent = signed(message.compose(FROM), selector="lost", keys=keys)
        self.want_deferred(sent)
        self.want_sent(signed(sent))

    def test_another_domains_signature_doesnt_help(self):
        self.want_refused(signed(message.compose(FROM), OTHER), AUTHOR)

    def test_one_good_of_several(self):
        sent = message.compose(FROM)
        for selector in ("s1", "s2", "gone"):
            sent = signed(sent, selector=selector)
        self.want_sent(signed(sent, OTHER))
        # The first two signatures don't survive it, the last does.
        sent = sent.replace(b"Hello.", b"Hello!")
        self.want_sent(signed(sent))

    def test_the_authors_own_is_found_among_many(self):
        sent = signed(message.compose(FROM))
        for number in range(20):
            sent = signed(sent, OTHER, ("s1", "s2")[number % 2])
        self.want_sent(sent)

    def test_too_many_to_check_is_no_failure(self):
        """The good one is the lowest of more than anybody checks."""
        other = message.compose(FROM, b"Another message.\r\n")
        sent = signed(message.compose(FROM))
        for number in range(10):
            sent = signed(other, selector=("s1", "s2")[number % 2]) \
                .removesuffix(other) + sent
        self.want_deferred(sent)

    def test_rubbish_in_the_place_of_a_signature(self):
        for value in (b"", b"v=1", b"v=1; d=author.example", b"\xff\xfe;;;=",
                      b"v=1; a=rsa-sha256; d=" + b"a." * 500 + b"; s=x; "
                      b"h=from; bh=AA==; b=AA==", b"x" * 20000):
            with self.subTest(value[:30]):
                bad = b"DKIM-Signature: " + value + b"\r\n"
                self.want_refused(bad + message.compose(FROM), AUTHOR)
                reply, _, line = self.post(
                    bad + signed(message.compose(FROM)))
                self.want_reply(reply, 250)
                self.want_fields(line, dmarc="pass")


class OurOwn(Signed):
    """Seen a second time, as after a content filter or from a queue."""

    def ours(self, text: bytes, selector: str) -> bytes:
        return signed(text, OWN, selector, WORLD.keys)

    def test_isnt_signed_again_by_the_same_key(self):
        sent = self.ours(message.compose(LOGIN), "rsa")
        got = self.want_sent(sent, login=LOGIN)
        self.want([f"{OWN}/ed", f"{OWN}/rsa"], dkimcheck.names(got),
                  "signatures")
        self.want_signed(got, WORLD.keys, f"{OWN}/ed", f"{OWN}/rsa")

    def test_goes_through_twice(self):
        got = WORLD.deliver(LOGIN, message.compose(LOGIN), LOGIN)
        self.want_signed(got, WORLD.keys, f"{OWN}/ed", f"{OWN}/rsa")
        again = self.want_sent(got, login=LOGIN)
        self.want([f"{OWN}/ed", f"{OWN}/rsa"], dkimcheck.names(again),
                  "signatures")
        self.want_signed(again, WORLD.keys, f"{OWN}/ed", f"{OWN}/rsa")

    def test_broken_one_is_renewed(self):
        sent = self.ours(message.compose(LOGIN), "rsa") \
            .replace(b"Hello.", b"Hallo.")
        got = self.want_sent(sent, login=LOGIN)
        self.want([f"{OWN}/ed", f"{OWN}/rsa", f"{OWN}/rsa"],
                  dkimcheck.names(got), "signatures")
        self.assertIn(f"{OWN}/rsa pass",
                      dkimcheck.by_python(got, WORLD.keys.records))


class Results(Signed):
    """Authentication-Results that claim to be ours."""

    FORGED = f"{HOST}; dmarc=pass header.from=bank.example"

    def arrived(self, *values, sent: bytes = b"") -> list:
        """What is left of these fields."""
        sent = sent or message.compose(LOGIN, headers=[
            ("Authentication-Results", one) for one in values])
        got = WORLD.deliver(LOGIN, sent, LOGIN)
        self.want_signed(got, WORLD.keys, f"{OWN}/ed", f"{OWN}/rsa")
        return message.values(got, "Authentication-Results")

    def test_forged_is_removed(self):
        self.want([], self.arrived(self.FORGED), "fields")

    def test_others_stay(self):
        others = ["mx.other.example; spf=pass", f"x.{HOST}; spf=pass",
                  f"{HOST}.example; spf=pass", "other.example 1; none"]
        self.want(others, self.arrived(*others), "fields")

    def test_several_among_others(self):
        self.want(
            ["one.example; none", "two.example; none", "three.example; none"],
            self.arrived(self.FORGED, "one.example; none", self.FORGED,
                         self.FORGED, "two.example; none",
                         "three.example; none", self.FORGED), "fields")

    def test_all_ways_to_write_it(self):
        for value in (HOST, HOST.upper(), f"{HOST}; none", f" {HOST} ; none",
                      f"(hi) {HOST}; none", f"{HOST} 1; none",
                      f'"{HOST}"; none', f"\r\n\t{HOST};\r\n\tnone",
                      f"(a (nested) \\) one){HOST}(b); none"):
            with self.subTest(value):
                self.want([], self.arrived(value), "fields")

    def test_what_others_signed_stays_signed(self):
        """A list's results that the author's signature doesn't cover."""
        sent = b"Authentication-Results: " + self.FORGED.encode() \
            + b"\r\n" + signed(message.compose(FROM))
        rcpt = f"{token()}@out.example"
        reply = WORLD.send(LISTS, rcpt, sent, LISTS)
        self.want_reply(reply, 250)
        got = WORLD.sink.take(rcpt).message
        self.want([], message.values(got, "Authentication-Results"), "fields")
        self.assertIn(f"{AUTHOR}/s1 pass",
                      dkimcheck.by_python(got, ELSEWHERE.records))

    def test_inbound_is_left_alone(self):
        rcpt = f"{token()}@inbound.example"
        reply = WORLD.send(
            "x@far.example", rcpt, message.compose("x@far.example", headers=[
                ("Authentication-Results", self.FORGED)]))
        self.want_reply(reply, 250)
        self.want([self.FORGED], message.values(
            WORLD.sink.take(rcpt).message, "Authentication-Results"),
            "fields")

    def test_observing_changes_nothing(self):
        WORLD.postern.restart(settings(mode="observe"))
        self.addCleanup(WORLD.postern.restart, settings())
        self.want([], self.arrived(self.FORGED), "fields")
        WORLD.postern.restart(settings(authserv_id="results.example"))
        self.want([self.FORGED], self.arrived(
            "results.example; none", self.FORGED), "fields")
