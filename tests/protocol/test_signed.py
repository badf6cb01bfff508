#!/usr/bin/python3
"""The harness' signed mail, read by two verifiers: what a list, a redirect or
a customer's server adds leaves the author's signature good; a footer or a
prefix breaks it. Else the tests that rest on it would prove nothing."""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(
    0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import dkimcheck, message, signed  # noqa: E402
from harness.keys import Keys  # noqa: E402

AUTHOR, LIST, USER = "author.example", "all@list.example", "u@user.example"
FROM = f"bob@{AUTHOR}"
BODY = b"One line \t of text\r\n\r\n  another \r\n\r\n"


class Signed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="postern-signed-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.keys = Keys(os.path.join(cls.folder.name, "keys"), os.geteuid(),
                        os.getegid())
        cls.keys.add_both(AUTHOR)

    def sent(self, selector="rsa", **how) -> bytes:
        return signed.sign(
            message.compose(FROM, BODY, subject="two\r\n\tlines"),
            self.keys, AUTHOR, selector, **how)

    def want(self, word: str, text: bytes, selector: str = "rsa") -> None:
        said = {"python3-dkim": dkimcheck.by_python(text, self.keys.records)}
        if selector == "rsa":  # Mail::DKIM knows no Ed25519
            said["Mail::DKIM"] = dkimcheck.by_perl(text, self.keys.records)
        for who, results in said.items():
            self.assertEqual(1, len(results), who)
            begins = f"{AUTHOR}/{selector} {word}"
            self.assertTrue(results[0].startswith(begins),
                            f"{who}: wanted {begins}, got {results[0]}")

    def test_records_can_be_published(self):
        zone = self.keys.zone(AUTHOR)
        self.assertEqual({f"rsa._domainkey.{AUTHOR}",
                          f"ed._domainkey.{AUTHOR}"}, set(zone))

    def test_signed(self):
        for selector in ("rsa", "ed"):
            for canon in ("simple/simple", "simple/relaxed",
                          "relaxed/simple", "relaxed/relaxed"):
                with self.subTest(selector=selector, canon=canon):
                    self.want("pass", self.sent(selector, canon=canon),
                              selector)

    def test_list_post_leaves_it_good(self):
        for canon in ("simple/simple", "relaxed/relaxed"):
            mail = signed.list_post(self.sent(canon=canon), LIST)
            self.want("pass", mail.message)
        self.assertEqual("all-bounces@list.example", mail.sender)
        self.assertTrue(mail.message.endswith(b"\r\n\r\n" + BODY))
        for name in ("List-Id", "List-Unsubscribe", "Sender"):
            self.assertEqual(1, len(message.values(mail.message, name)), name)

    def test_footer_breaks_it(self):
        mail = signed.list_post(self.sent(), LIST, footer=b"-- \r\nlist\r\n")
        self.want("fail", mail.message)

    def test_prefix_breaks_it(self):
        mail = signed.list_post(self.sent(), LIST, prefix="[all]")
        self.assertEqual(["[all] two\tlines"],
                         message.values(mail.message, "Subject"))
        self.want("fail", mail.message)

    def test_redirects_leave_it_good(self):
        for mail, sender in (
                (signed.redirected(self.sent(), USER), USER),
                (signed.redirected(self.sent(), USER, FROM), FROM),
                (signed.redirected(self.sent(), USER, ""), ""),
                (signed.resent(self.sent(), USER, "r@out.example"), USER)):
            self.assertEqual(sender, mail.sender)
            self.want("pass", mail.message)
            self.assertEqual([FROM], message.values(mail.message, "From"))

    def test_customer_signed(self):
        mail = signed.customer_signed(
            message.compose(FROM, BODY), self.keys, AUTHOR)
        self.want("pass", mail.message)
        self.assertEqual(f"postmaster@{AUTHOR}", mail.sender)
        self.want("fail", signed.above(mail.message, [("From", "x@y.z")]))

    def test_below_touches_nothing(self):
        added = [("X-A", "1")]
        self.assertEqual(b"To: x\r\nX-A: 1\r\n\r\nbody",
                         signed.below(b"To: x\r\n\r\nbody", added))
        self.assertEqual(b"To: x\r\nX-A: 1\r\n",
                         signed.below(b"To: x\r\n", added))


if __name__ == "__main__":
    unittest.main()
