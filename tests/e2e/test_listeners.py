"""Listeners: ports that ask for authentication or TLS, or fix the class."""

from harness import message
from harness.case import Case
from harness.place import token
from harness.postfix import HOST
from harness.world import RELAYER, World

WORLD = None


def settings(postfix) -> dict:
    return {
        ("listener", str(postfix.smtp)): {"require_tls": True},
        ("listener", str(postfix.submission)): {
            "class": "submission", "require_auth": True},
        ("listener", str(postfix.chrooted)): {"class": "inbound"},
    }


def setUpModule():
    global WORLD
    WORLD = World("listeners", settings, keys=("a.example",))


def tearDownModule():
    WORLD.stop()


class Listeners(Case):
    def story(self):
        return WORLD.story()

    def test_auth_is_required(self):
        for address in (RELAYER, "203.0.113.5", "127.0.0.1"):
            with self.subTest(address):
                reply = WORLD.send(
                    "alice@a.example", "r@out.example",
                    message.compose("alice@a.example"), address=address,
                    port=WORLD.postfix.submission)
                self.want_reply(reply, 530, "5.7.0")
                self.want("MAIL", reply.stage, "refused at")
        self.want_fields(WORLD.message_line(reason="auth_required"),
                         action="reject")

    def test_auth_is_enough(self):
        got = WORLD.deliver("alice@a.example",
                            message.compose("alice@a.example"),
                            "alice@a.example", port=WORLD.postfix.submission)
        self.want_signed(got, WORLD.keys, "a.example/ed", "a.example/rsa")

    def test_tls_is_required(self):
        reply = WORLD.send("alice@a.example", "r@out.example",
                           message.compose("alice@a.example"),
                           "alice@a.example")
        self.want_reply(reply, 530, "5.7.0", "STARTTLS")
        self.want("MAIL", reply.stage, "refused at")

    def test_tls_is_enough(self):
        rcpt = token() + "@out.example"
        with WORLD.client(plain=True) as client:
            self.want_reply(client.starttls(), 250)
            client.xclient(addr="203.0.113.5", login="alice@a.example")
            reply = client.send("alice@a.example", rcpt,
                                message.compose("alice@a.example"))
            self.want_reply(reply, 250)
        self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                         "a.example/ed", "a.example/rsa")

    def test_class_is_fixed(self):
        """What comes to an inbound port is inbound, whoever sends it."""
        rcpt = token() + "@out.example"
        reply = WORLD.send("x@c.example", rcpt,
                           message.compose("x@c.example"),
                           address="127.0.0.1", port=WORLD.postfix.chrooted)
        self.want_reply(reply, 250)
        self.want_fields(WORLD.line_of(reply), class_="inbound",
                         action="accept")

    def test_local_mail_is_no_listeners_business(self):
        rcpt = token() + "@out.example"
        sender = f"web@{HOST}"
        ran = WORLD.postfix.sendmail(["-f", sender, rcpt],
                                     message.compose(sender), uid=5001)
        self.want(0, ran.returncode, f"sendmail ({ran.stdout})")
        WORLD.sink.take(rcpt)
        self.want_fields(WORLD.message_line(from_=sender), class_="local",
                         action="accept")


class NamedAfterTheHost(Case):
    """Postfix calls all of its listeners, and what sendmail(1)'s mail came in
    by, after the host, unless it is told otherwise."""

    def story(self):
        return WORLD.story()

    def test_local_mail_has_no_listener(self):
        WORLD.postern.restart({("listener", HOST): {
            "class": "submission", "require_auth": True}})
        self.want_reply(WORLD.send("x@c.example", "r@out.example",
                                   message.compose("x@c.example")), 530)
        rcpt = token() + "@out.example"
        sender = f"web@{HOST}"
        WORLD.postfix.sendmail(["-f", sender, rcpt], message.compose(sender))
        WORLD.sink.take(rcpt)
        self.want_fields(WORLD.message_line(from_=sender), class_="local",
                         action="accept")
