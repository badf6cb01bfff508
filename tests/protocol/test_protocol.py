"""The daemon and MTAs of all sorts: polite ones, old ones, and clients that
say what no MTA says. Whatever comes, that message gets a defined verdict and
everybody else is served on."""

import os
import random
import stat
import struct
import threading

from harness import dkimcheck, milterclient, message
from harness.bench import Bench
from harness.case import Case
from harness.milterclient import Gone, Milter, applied
from harness.place import token

BENCH = None
OWN = "a.example"
BOTH = (f"{OWN}/ed", f"{OWN}/rsa")
MAX_BUSY = 4
MAX_RECIPIENTS = 3

SETTINGS = {
    "max_busy": MAX_BUSY,
    ("class", "submission"): {"max_recipients": MAX_RECIPIENTS},
    ("limit", "plenty"): {"key": "account", "count": "messages",
                          "max": 100000, "per": "1d"},
}


def setUpModule():
    global BENCH
    BENCH = Bench("protocol", SETTINGS, keys=(OWN,))


def tearDownModule():
    BENCH.stop()


class Protocol(Case):
    def story(self):
        return BENCH.story()

    def login(self) -> str:
        """A login that no other test uses."""
        return f"{token()}@{OWN}"

    def want_alive(self) -> None:
        """The daemon runs, and does its work for somebody new."""
        self.assertTrue(BENCH.postern.is_running(), "the daemon has ended")
        login = self.login()
        answer = BENCH.send(login, message.compose(login), login)
        self.want_leaves(answer)
        self.want(2, len(answer.inserted), "fields inserted")

    def want_good(self, sent: bytes, answer, leading_space=True) -> None:
        self.want_leaves(answer)
        self.want_signed(applied(sent, answer, leading_space), BENCH.keys,
                         *BOTH)


class Polite(Protocol):
    def test_signs_what_is_the_accounts_own(self):
        login = self.login()
        sent = message.compose(login)
        answer = BENCH.send(login, sent, login)
        self.want_good(sent, answer)
        for index, name, _ in answer.inserted:
            self.want((b"DKIM-Signature", True), (name, index <= 1),
                      "inserted field, at the top")
        line = BENCH.postern.line(event="message", account=login)
        self.want_fields(line, class_="submission", action="accept",
                         rcpts=1, queue_id="4cQUEUEID",
                         client="203.0.113.5")
        self.want(sorted(BOTH), sorted(line["dkim"].split(",")),
                  "dkim in the log")

    def test_asks_for_what_it_needs_and_no_more(self):
        with BENCH.milter() as milter:
            milter.negotiate()
            protocol, actions, wanted = (milter.protocol, milter.actions,
                                         milter.wanted)
            milter.quit()
        for bit, what in ((milterclient.LEADING_SPACE, "leading space"),
                          (milterclient.NR_HEADER, "no header replies"),
                          (milterclient.NO_UNKNOWN, "no unknown commands")):
            self.assertTrue(protocol & bit, f"not negotiated: {what}")
        for bit in (milterclient.NO_CONNECT, milterclient.NO_MAIL,
                    milterclient.NO_RCPT, milterclient.NO_HEADERS,
                    milterclient.NO_BODY):
            self.assertFalse(protocol & bit, f"declined event {bit:#x}")
        # Add or insert, and quarantine; nothing that alters an envelope.
        self.want(0x21, actions & 0x21, "actions asked for")
        self.want(0, actions & 0x8e, "actions that aren't its business")
        everything = {name for names in wanted.values() for name in names}
        for name in ("j", "i", "{auth_authen}", "{daemon_port}",
                     "{daemon_name}", "{tls_version}"):
            self.assertIn(name, everything, "macros asked for")
        # An MTA sends no list that would be empty, and then the former
        # message's counts: there must be one that always has a value.
        self.assertIn("j", wanted[b"M"])

    def test_body_without_last_newline(self):
        login = self.login()
        sent = message.compose(login, b"no end")
        answer = BENCH.send(login, sent, login)
        self.want_good(sent + b"\r\n", answer)

    def test_bodies_cut_anywhere(self):
        login = self.login()
        body = b"a \r\n\r\nb\t\r\n.\r\n\r\n\r\n"
        sent = message.compose(login, body)
        for chunk in (1, 2, 3, 5):
            with self.subTest(chunk=chunk), BENCH.begun() as milter:
                milter.mail(f"<{login}>", login=login)
                milter.rcpt("<r@out.example>")
                milter.data()
                for name, value in message.split(sent)[0]:
                    milter.header(name, value.removeprefix(b" "))
                milter.eoh()
                milter.body(body, chunk)
                self.want_good(sent, milter.eom())

    def test_no_body_at_all(self):
        login = self.login()
        sent = message.compose(login, b"")
        self.want_good(sent, BENCH.send(login, sent, login))

    def test_several_messages_on_one_connection(self):
        first, second = self.login(), self.login()
        with BENCH.begun() as milter:
            for login, signed in ((first, 2), (second, 2), ("", 0),
                                  (first, 2)):
                author = login or f"x@{OWN}"
                answer = milter.message(author, "r@out.example",
                                        message.compose(author), login)
                self.want_leaves(answer)
                self.want(signed, len(answer.inserted),
                          f"signatures for login {login!r}")
        self.want_fields(BENCH.postern.line(event="message", account=second),
                         from_=second, rcpts=1)

    def test_abort_leaves_nothing_behind(self):
        gone, here = self.login(), self.login()
        with BENCH.begun() as milter:
            milter.mail(f"<{gone}>", login=gone)
            for number in range(MAX_RECIPIENTS):
                milter.rcpt(f"<{number}@out.example>")
            milter.data()
            milter.header("From", gone)
            milter.abort()
            sent = message.compose(here)
            answer = milter.message(here, "r@out.example", sent, here)
            self.want_good(sent, answer)
        self.want_fields(BENCH.postern.line(event="message", account=here),
                         rcpts=1, author=here)
        self.want([], BENCH.postern.lines(event="message", account=gone,
                                          action="accept"),
                  "log lines that say the aborted one left")

    def test_two_connections_taking_turns(self):
        logins = [self.login(), self.login()]
        with BENCH.begun() as one, BENCH.begun() as two:
            pair = list(zip((one, two), logins))
            sent = [message.compose(login) for login in logins]
            for milter, login in pair:
                milter.mail(f"<{login}>", login=login)
            for milter, _ in pair:
                milter.rcpt("<r@out.example>")
            for (milter, _), text in zip(pair, sent):
                milter.data()
                for name, value in message.split(text)[0]:
                    milter.header(name, value.removeprefix(b" "))
            for milter, _ in pair:
                milter.eoh()
                milter.body(b"Hello.\r\n")
            for (milter, _), text in zip(pair, sent):
                self.want_good(text, milter.eom())

    def test_too_many_recipients_are_refused_one_by_one(self):
        login = self.login()
        with BENCH.begun() as milter:
            milter.mail(f"<{login}>", login=login)
            for number in range(MAX_RECIPIENTS):
                self.want_answer(milter.rcpt(f"<{number}@out.example>"),
                                 "continue")
            for _ in range(2):
                self.want_answer(milter.rcpt("<over@out.example>"), "reply",
                                 "452 4.5.3")
            sent = message.compose(login)
            self.want_good(sent, milter.content(sent, login))
        self.want_fields(BENCH.postern.line(event="message", account=login),
                         rcpts=MAX_RECIPIENTS)

    def test_end_of_message_without_recipients(self):
        """libmilter passes over what can't follow MAIL, so it is the next
        message that shows whether anything stuck."""
        login = self.login()
        with BENCH.begun() as milter:
            milter.mail("<gone@b.example>", login=self.login())
            milter.packet(b"L", b"From\0 gone@b.example\0")
            milter.packet(b"E")
            sent = message.compose(login)
            self.want_good(sent, milter.message(login, "r@out.example",
                                                sent, login))

    def test_inbound_is_left_alone(self):
        sent = message.compose(f"x@{OWN}", headers=[("From", "twice")])
        answer = BENCH.send("x@elsewhere.example", sent)
        self.want_leaves(answer)
        self.want([], answer.inserted, "fields inserted")


class OldMta(Protocol):
    """MTAs that know less of the protocol."""

    def test_without_any_protocol_feature(self):
        login = self.login()
        sent = message.compose(login, headers=[("X-Fold", "a\r\n b")])
        with BENCH.milter() as milter:
            # libmilter takes 0 for version 1: events may be left out.
            milter.negotiate(protocol=0)
            self.want(0, milter.protocol & ~0x3f, "features agreed on")
            milter.connect()
            milter.helo()
            answer = milter.message(login, "r@out.example", sent, login)
            self.want_good(sent, answer, leading_space=False)

    def test_version_2(self):
        with BENCH.milter() as milter:
            try:
                milter.negotiate(version=2, actions=0x3f, protocol=0x7f)
                milter.connect()
                milter.helo()
                login = self.login()
                answer = milter.message(login, "r@out.example",
                                        message.compose(login), login)
                self.assertTrue(answer.ok, answer)
            except Gone:
                pass  # to refuse such an MTA is an answer too
        self.want_alive()

    def test_that_takes_no_header_field(self):
        """Nothing could be signed: such an MTA is turned away, not left
        to believe that it has a signer."""
        with BENCH.milter() as milter, self.assertRaises(Gone):
            milter.negotiate(actions=0x20)
        self.want_alive()

    def test_that_can_hold_nothing(self):
        login = self.login()
        sent = message.compose(login)
        with BENCH.milter() as milter:
            milter.negotiate(actions=0x1)
            self.want(0x1, milter.actions, "actions agreed on")
            milter.connect()
            milter.helo()
            self.want_good(sent, milter.message(login, "r@out.example",
                                                sent, login))

    def test_without_macros(self):
        """A host that passes no macros gets a verdict, and no login."""
        with BENCH.milter() as milter:
            milter.negotiate()
            milter.event(b"C", b"x\0" + b"4" + struct.pack(">H", 9)
                         + b"203.0.113.5\0")
            milter.event(b"H", b"x\0")
            milter.event(b"M", b"<x@a.example>\0")
            milter.event(b"R", b"<r@out.example>\0")
            milter.event(b"T")
            milter.header("From", f"x@{OWN}")
            milter.event(b"N")
            milter.packet(b"E")
            answer = milter.answer("eom")
            self.want_leaves(answer)
            self.want([], answer.inserted, "fields inserted")


class BadMail(Protocol):
    """Messages that are not as they should be."""

    def unsigned(self, sent: bytes, login: str, reason: str) -> None:
        answer = BENCH.send(login, sent, login)
        self.want_leaves(answer)
        self.want([], answer.inserted, "fields inserted")
        self.want_fields(BENCH.postern.line(event="message", account=login),
                         reason=reason, action="accept", dkim="none")

    def test_no_from(self):
        self.unsigned(message.compose(None), self.login(), "bad_from")

    def test_forty_from(self):
        login = self.login()
        self.unsigned(message.compose([login] * 40), login, "bad_from")

    def test_from_with_blank_before_the_colon_counts(self):
        login = self.login()
        self.unsigned(message.compose(login, headers=[
            ("From ", "x@b.example")]), login, "bad_from")

    def test_from_that_is_no_address(self):
        for value in ("", "nobody", "<>", "a@", "@a.example", "a@b@c",
                      "group:;", "\x00", "(" * 5000, "\"", "<" * 70000,
                      ",".join(["x"] * 20000)):
            with self.subTest(value=value[:20]):
                login = self.login()
                self.unsigned(message.compose(value), login, "bad_from")

    def test_from_behind_a_broken_name(self):
        """One address in angle brackets is taken, signed and logged."""
        login = self.login()
        for name in ("M\u00fcller", "a.b c", "=?utf-8?q?a", login, "a:",
                     "[a]", "a;b"):
            with self.subTest(name=name):
                sent = message.compose(f"{name} <{login}>")
                self.want_good(sent, BENCH.send(login, sent, login))
                line = BENCH.postern.line(event="message", account=login,
                                          author=login)
                if name == "[a]":
                    self.assertTrue(line.get("detail"), f"none in {line}")

    def test_from_that_reads_two_ways(self):
        """Signed or not: but a verdict, and the truth in the log."""
        for name in ("\"half", "a, b", "(open", "x@y.example",
                     "x@y.example,", "<x@y>"):
            with self.subTest(name=name):
                login = self.login()
                sent = message.compose(f"{name} <{login}>")
                answer = BENCH.send(login, sent, login)
                self.want_leaves(answer)
                line = BENCH.postern.line(event="message", account=login)
                self.want(len(answer.inserted) == 0, line["dkim"] == "none",
                          "logged as unsigned")
                if answer.inserted:
                    self.want_good(sent, answer)

    def test_from_name_in_eight_bits(self):
        for name in ("\"M\u00fcller\"".encode(), b"\"M\xfcller\""):
            with self.subTest(name=name):
                login = self.login()
                sent = message.compose(name + f" <{login}>".encode())
                self.want_good(sent, BENCH.send(login, sent, login))

    def test_header_with_nul(self):
        login = self.login()
        with BENCH.begun() as milter:
            milter.mail(f"<{login}>", login=login)
            milter.rcpt("<r@out.example>")
            milter.data()
            milter.header("From", f"{login}\0, x@b.example")
            milter.header("Subject", b"a\0b\0c")
            milter.header(b"X\0Y", b"z")
            milter.eoh()
            answer = milter.eom()
            self.assertTrue(answer.ok, answer)
        self.want_alive()

    def test_header_in_eight_bits(self):
        login = self.login()
        every = bytes(range(128, 256))
        sent = message.compose(login, every + b"\r\n", [
            ("Subject", every)])
        self.want_good(sent, BENCH.send(login, sent, login))

    def test_field_name_in_eight_bits(self):
        """python3-dkim won't read such a message at all."""
        login = self.login()
        sent = message.compose(login, headers=[("X-\u00fc", "x")])
        answer = BENCH.send(login, sent, login)
        self.want_leaves(answer)
        self.want([f"{one} pass" for one in sorted(BOTH)],
                  dkimcheck.by_perl(applied(sent, answer),
                                    BENCH.keys.records), "Mail::DKIM")

    def test_long_header_lines(self):
        for octets in (100_000, 102_400, 200_000, 500_000):
            with self.subTest(octets=octets):
                login = self.login()
                sent = message.compose(login, subject="x" * octets)
                self.want_good(sent, BENCH.send(login, sent, login))

    def test_header_line_longer_than_any_packet(self):
        login = self.login()
        with self.assertRaises((Gone, BrokenPipeError,
                                ConnectionResetError)):
            BENCH.send(login, message.compose(login, subject="x" * 2_000_000),
                       login)
        self.want_alive()

    def test_more_header_than_is_looked_at(self):
        login = self.login()
        fields = [("X-Filler", "x" * 60_000)] * 100
        sent = message.compose(login, headers=fields)
        answer = BENCH.send(login, sent, login)
        self.want_leaves(answer)
        self.want([], answer.inserted, "fields inserted")
        self.want_fields(BENCH.postern.line(event="message", account=login),
                         reason="headers_too_large",
                         unsigned="header too large")

    def test_more_fields_than_are_looked_at(self):
        login = self.login()
        sent = message.compose(login, headers=[("a", "")] * 30_000)
        self.want_leaves(BENCH.send(login, sent, login))
        self.want_fields(BENCH.postern.line(event="message", account=login),
                         reason="headers_too_large", dkim="none",
                         unsigned="too many header fields")

    def test_account_name_of_600_octets(self):
        login = "x" * (600 - len(OWN) - 1) + "@" + OWN
        answer = BENCH.send("x@" + OWN, message.compose("x@" + OWN), login)
        self.want_answer(answer, "reply", "550 5.7.1")
        line = BENCH.postern.line(event="message", reason="account_name")
        self.want_fields(line, action="reject")
        self.want_alive()

    def test_login_that_writes_log_lines(self):
        for evil in ("x\nevent=message id=forged action=accept",
                     "x\r\n250 2.0.0 Ok", "x\x1b[2J", "x\" id=forged y=\"",
                     "100%s%n%d", "\u202egnp.exe", "x\\"):
            with self.subTest(evil=evil):
                answer = BENCH.send("a@b.example",
                                    message.compose("a@b.example"),
                                    evil + token())
                self.assertNotRegex(answer.reply, r"[\x00-\x1f\x7f]")
        self.want([], BENCH.postern.lines(id="forged"), "forged lines")
        self.assertNotRegex(BENCH.postern.text(), r"[\x00-\x09\x0b-\x1f]")
        self.want_alive()

    def test_mail_with_junk(self):
        login = self.login()
        junk = ["", "<", ">", "<>", "<<>>", "<@>", "<a@", "<@b>", "a b c",
                "<a@b.example", "a@b.example", "<\">", "<a@[127.0.0.1]>",
                "<@x,@y:a@b.example>", "<\u00e4@\u00f6.example>",
                b"<\xff\xfe@\x80>", "<a@" + "b" * 70000 + ">",
                "<" + "a" * 70000 + "@b.example>", "<\x01\x02@\x7f>",
                "<a@" + ".".join("b" * 40) + ">", "<a@-.->", "<a@..>"]
        for sender in junk:
            with self.subTest(sender=sender[:30]), BENCH.begun() as milter:
                answer = milter.mail(sender, "SIZE=x", "=", b"\xff",
                                     login=login)
                if answer is not None and not answer.ok:
                    self.assertRegex(answer.reply, r"^[45]\d\d ")
                    continue
                milter.rcpt("<r@out.example>")
                answer = milter.content(message.compose(login), login)
                self.assertTrue(answer.ok, answer)
        self.want_alive()

    def test_other_arguments_with_junk(self):
        for junk in ("", "<>", "x" * 70000, b"\xff\xfe", "a\r\nb", "%s%n"):
            with self.subTest(junk=junk[:20]), BENCH.milter() as milter:
                milter.negotiate()
                milter.connect(name=junk, address="203.0.113.7")
                milter.helo(junk)
                login = self.login()
                milter.mail(f"<{login}>", login=login)
                milter.rcpt(junk, junk)
                answer = milter.content(message.compose(login), login)
                self.assertTrue(answer.ok, answer)
        self.want_alive()

    def test_clients_of_all_families(self):
        for data in (b"x\0U", b"x\0L\0\0/run/x\0",
                     b"x\0" + b"6\x10\0IPv6:2001:db8::1\0",
                     b"x\0" + b"6\x10\x002001:db8::1\0",
                     b"x\0" + b"6\x10\0::ffff:203.0.113.5\0"):
            with self.subTest(data=data), BENCH.milter() as milter:
                milter.negotiate()
                milter.event(b"C", data)
                milter.helo()
                login = self.login()
                answer = milter.message(login, "r@out.example",
                                        message.compose(login), login)
                self.want_leaves(answer)

    def test_client_that_is_no_address(self):
        """libmilter hangs up on these by itself."""
        for data in (b"x\0" + b"4\x10\0not an address\0",
                     b"x\0" + b"6\x10\0:::::\0",
                     b"x\0" + b"4\x10\0" + b"999.1.1.1\0",
                     b"x\0" + b"4", b"x", b"\0", b"x\0" + b"9\0\0x\0"):
            with self.subTest(data=data), BENCH.milter() as milter:
                milter.negotiate()
                milter.packet(b"C", data)
        self.want_alive()


class Hostile(Protocol):
    """Clients of the socket that are no MTA."""

    def test_leaves_at_every_stage(self):
        login = self.login()
        stages = [
            lambda m: m.negotiate(),
            lambda m: m.connect(),
            lambda m: m.helo(),
            lambda m: m.mail(f"<{login}>", login=login),
            lambda m: m.rcpt("<r@out.example>"),
            lambda m: m.data(),
            lambda m: m.header("From", login),
            lambda m: m.header("Subject", "x"),
            lambda m: m.eoh(),
            lambda m: m.body(b"x" * 100_000),
            lambda m: m.packet(b"E"),
        ]
        for last in range(len(stages) + 1):
            with self.subTest(last=last), BENCH.milter() as milter:
                for stage in stages[:last]:
                    stage(milter)
        self.want_alive()

    def test_leaves_in_the_middle_of_a_packet(self):
        for cut in (b"\0", b"\0\0\0", b"\0\0\0\x0d", b"\0\0\0\x0dO\0\0"):
            with self.subTest(cut=cut), BENCH.milter() as milter:
                milter.raw(cut)
        with BENCH.begun() as milter:
            milter.raw(struct.pack(">I", 50_000) + b"B" + b"x" * 100)
        self.want_alive()

    def test_probes_that_hang_up(self):
        for _ in range(200):
            BENCH.milter().close()
        self.want_alive()

    def test_garbage_packets(self):
        garbage = [
            b"GET / HTTP/1.0\r\n\r\n",
            b"\0\0\0\0",
            b"\0\0\0\x01\0",
            b"\xff\xff\xff\xff" + b"x" * 100,
            b"\x7f\xff\xff\xffO",
            b"\0\0\0\x01O",
            b"\0\0\0\x02O\0",
            b"\0\0\0\x01C", b"\0\0\0\x01M", b"\0\0\0\x01R",
            b"\0\0\0\x01L", b"\0\0\0\x01H", b"\0\0\0\x01D",
            b"\0\0\0\x01E", b"\0\0\0\x01N", b"\0\0\0\x01T",
            b"\0\0\0\x01A" * 50, b"\0\0\0\x01K" * 3, b"\0\0\0\x01Q" * 3,
            b"\0\0\0\x01z", b"\0\0\0\x02Mx", b"\0\0\0\x03L\0\0",
            b"\0\0\0\x05Labcd", b"\0\0\0\x04L\0a\0",
            bytes(range(256)) * 40,
        ]
        for begun in (False, True):
            for data in garbage:
                with self.subTest(begun=begun, data=data[:20]):
                    milter = BENCH.begun() if begun else BENCH.milter()
                    with milter:
                        try:
                            milter.raw(data)
                        except (BrokenPipeError, ConnectionResetError):
                            pass
        self.want_alive()

    def test_random_packets(self):
        """Every command with random contents, in random order. (Macro
        packets keep to pairs: what libmilter does with others is its
        own affair.)"""
        chance = random.Random(6376)
        for _ in range(60):
            with BENCH.milter() as milter:
                try:
                    if chance.random() < 0.8:
                        milter.negotiate()
                    for _ in range(chance.randrange(1, 30)):
                        command = bytes([chance.choice(b"ABCEHKLMNRTB")])
                        milter.packet(command, chance.randbytes(
                            chance.choice((0, 1, 7, 60, 3000))) + b"\0")
                except (Gone, BrokenPipeError, ConnectionResetError):
                    pass
        self.want_alive()

    def test_events_out_of_order(self):
        login = self.login()
        orders = ("E", "B", "L", "N", "T", "R", "MEE", "MRLE", "ME", "MNB",
                  "MMRLNE", "MRNLBE", "A", "AAM", "MRAE", "HHCM", "MRTLNBEE",
                  "MRTLNBEBE", "RRM")
        data = {"M": f"<{login}>\0".encode(), "R": b"<r@out.example>\0",
                "L": b"From\0 " + login.encode() + b"\0", "B": b"x\r\n",
                "H": b"x\0", "C": b"x\0" + b"4\x10\x00203.0.113.5\0"}
        for order in orders:
            with self.subTest(order=order), BENCH.begun() as milter:
                for command in order:
                    milter.packet(command.encode(), data.get(command, b""))
                milter.packet(b"Q")
                # Answers may come or not; but the end does.
                with self.assertRaises(Gone):
                    while True:
                        milter.read()
        self.want_alive()

    def test_negotiates_again_and_again(self):
        with BENCH.begun() as milter:
            try:
                for _ in range(20):
                    milter.packet(b"O", struct.pack(">III", 6, 0x1ff,
                                                    0x1fffff))
                    milter.connect()
                milter.packet(b"Q")
            except (Gone, BrokenPipeError, ConnectionResetError):
                pass
        self.want_alive()

    def test_macro_packets_without_end(self):
        login = self.login()
        with BENCH.begun() as milter:
            for number in range(500):
                milter.packet(b"D", b"M{x%d}\0" % number + b"y" * 100
                              + b"\0")
            milter.packet(b"D", b"M{auth_authen}\0" + b"z" * 60000 + b"\0")
            answer = milter.message(login, "r@out.example",
                                    message.compose(login), login)
            self.assertIn(answer.name, ("continue", "accept", "reply"))
        self.want_alive()


class Crowd(Protocol):
    def test_fifty_at_once(self):
        """More messages than max_busy: each gets a signature, or is told to
        come again."""
        answers, errors = [], []
        lock = threading.Lock()
        together = threading.Barrier(50)

        def one():
            login = self.login()
            sent = message.compose(login, b"line\r\n" * 20_000)
            try:
                with BENCH.begun() as milter:
                    together.wait(60)
                    answer = milter.message(login, "r@out.example", sent,
                                            login)
                    milter.quit()
                with lock:
                    answers.append((sent, answer))
            except Exception as error:  # to be shown by the main thread
                with lock:
                    errors.append(repr(error))

        threads = [threading.Thread(target=one) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.want([], errors, "errors of clients")
        signed = 0
        for sent, answer in answers:
            if answer.name == "reply":
                self.want_answer(answer, "reply", "451 4.3.2")
                continue
            self.want_leaves(answer)
            self.want([f"{one} pass" for one in sorted(BOTH)],
                      dkimcheck.by_python(applied(sent, answer),
                                          BENCH.keys.records),
                      "python3-dkim")
            signed += 1
        self.assertGreaterEqual(signed, MAX_BUSY)
        self.want_alive()

    def test_idle_connections_take_no_place(self):
        idle = [BENCH.begun() for _ in range(60)]
        try:
            for number, milter in enumerate(idle):
                login = self.login()
                milter.mail(f"<{login}>", login=login)
                if number % 2:
                    milter.rcpt("<r@out.example>")
                    milter.data()
                    milter.header("From", login)
                    milter.eoh()
            self.want_alive()
            for milter in idle[1::2]:
                self.want_leaves(milter.eom())
        finally:
            for milter in idle:
                milter.close()
        self.want_alive()


class Socket(Protocol):
    def test_permissions(self):
        found = os.stat(BENCH.postern.socket)
        self.want("0o660", oct(stat.S_IMODE(found.st_mode)), "socket mode")

    def test_is_a_milter(self):
        with Milter(BENCH.postern.socket) as milter:
            milter.negotiate()
            self.want(6, milter.version, "protocol version")
