"""A real login: TLS, AUTH PLAIN against Cyrus SASL, signed and charged."""

from harness import message
from harness.case import Case
from harness.place import token
from harness.world import World

WORLD = None
LOGIN = "carol@a.example"


def setUpModule():
    global WORLD
    WORLD = World("sasl", lambda postfix: {
        ("listener", str(postfix.submission)): {
            "class": "submission", "require_auth": True,
            "require_tls": True}}, keys=("a.example",))
    WORLD.postfix.add_login("carol", "a.example", "secret")


def tearDownModule():
    WORLD.stop()


class Sasl(Case):
    def story(self):
        return WORLD.story()

    def client(self):
        client = WORLD.client(plain=True, port=WORLD.postfix.submission)
        self.want_reply(client.starttls(), 250)
        return client

    def test_signed_for_the_login(self):
        rcpt = token() + "@out.example"
        with self.client() as client:
            self.want_reply(client.auth_plain(LOGIN, "secret"), 235)
            reply = client.send(LOGIN, rcpt, message.compose(LOGIN))
            self.want_reply(reply, 250)
        self.want_signed(WORLD.sink.take(rcpt).message, WORLD.keys,
                         "a.example/ed", "a.example/rsa")
        self.want_fields(WORLD.line_of(reply), account=LOGIN,
                         class_="submission", source="sasl",
                         client="127.0.0.1")

    def test_without_login(self):
        with self.client() as client:
            self.want_reply(client.auth_plain(LOGIN, "wrong"), 535)
            self.want_reply(client.send(LOGIN, "r@out.example",
                                        message.compose(LOGIN)),
                            530, "5.7.0", "uthentication")

    def test_without_tls(self):
        with WORLD.client(LOGIN, port=WORLD.postfix.submission) as client:
            self.want_reply(client.send(LOGIN, "r@out.example",
                                        message.compose(LOGIN)),
                            530, "5.7.0", "STARTTLS")
