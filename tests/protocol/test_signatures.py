#!/usr/bin/python3
"""Every kind of message is signed, by our own engine and by libopendkim, which
must agree, and every signature is verified by others that are neither.

RSA: python3-dkim and Mail::DKIM. Ed25519: python3-dkim, and the reading of RFC
6376 in this file with libsodium, because Mail::DKIM knows no Ed25519 as of
1.20230212 (when it does, test_mail_dkim_and_ed25519 fails and says so). The
reading in this file verifies the RSA signatures' body hashes too.

SIGN_MESSAGE in the environment is the path of tests/unit/sign_message.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import dkim
import nacl.signing

HERE = os.path.dirname(os.path.abspath(__file__))
DOMAIN = "a.example"
CANONS = [
    "simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"]
TOP = (b"From: Joe <joe@a.example>\r\nTo: x@b.example\r\n"
       b"Subject: hello\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n")


def message(body, more=b"", top=TOP):
    return top + more + b"\r\n" + body


def corpus():
    """Name and message, as an MTA has it: CRLF, no dot stuffing."""
    folds = b"".join(b"\r\n%c<%d@a.example>" % (b" \t"[i % 2], i)
                     for i in range(500))
    yield "plain", message(b"Hello.\r\n")
    yield "empty body", message(b"")
    yield "no last newline", message(b"one\r\ntwo")
    yield "blank at the end, no newline", message(b"one\r\ntwo \t")
    yield "one blank only", message(b" ")
    yield "a single CRLF", message(b"\r\n")
    yield "only CRLFs", message(b"\r\n" * 7)
    yield "blank lines at the end", message(b"text\r\n\r\n\r\n")
    yield "white lines at the end", message(b"text\r\n \r\n\t \r\n")
    yield "blank lines at the top", message(b"\r\n\r\ntext\r\n")
    yield "blank lines within", message(b"a\r\n\r\n\r\n\r\nb\r\n")
    yield "white space", message(
        b" a\t \tb  \r\n\tc\t\r\n  \r\nd\t\t\te \r\n")
    yield "dot lines", message(b".\r\n..\r\n.x\r\nFrom me\r\n.\r\n")
    yield "8 bit", message(bytes(range(128, 256)) * 3 + b"\r\n",
                           b"Reply-To: \xe9\xff\xa0 <j@a.example>\r\n")
    yield "NUL in the body", message(b"a\0b\r\n\0\r\n\0\0")
    yield "control characters", message(b"\x01\x0b\x0c\x7f \x0b\r\n")
    yield "EAI", message(
        "Grüße\r\n".encode(),
        "Cc: 用户 <用户@例え.jp>\r\n".encode(),
        "From: Jürg <jürg@a.example>\r\nSubject: Grüße 用户\r\n".encode())
    yield "lines of 998 and more", message(
        b"x" * 998 + b"\r\n" + b"y" * 999 + b"\r\n" + b"z " * 3000
        + b"\r\n", b"Cc: " + b"c" * 1500 + b"\r\n")
    yield "one body line of 200 kB", message(b"w" * 200000 + b"\r\n")
    yield "header of 100 kB", message(
        b"Hi\r\n", b"References: " + b"<id@a.example> " * 7000 + b"\r\n")
    yield "header of 100 kB without a blank", message(
        b"Hi\r\n", b"References:" + b"r" * 102400 + b"\r\n")
    yield "many folds", message(b"Hi\r\n", b"References:" + folds + b"\r\n")
    yield "folds at odd places", message(
        b"Hi\r\n", b"Cc:\r\n  a@b.example,\r\n\t\t c@b.example \t\r\n \r\n"
        b"\tlast\r\nReply-To:\r\n\tj@a.example\r\n")
    yield "empty fields", message(
        b"Hi\r\n", b"Cc:\r\nReply-To: \r\nIn-Reply-To:\t \t\r\n")
    yield "white space round values", message(
        b"Hi\r\n", b"Cc:no blank\r\nReply-To:\t  two \t  \r\n")
    yield "names in odd case", message(
        b"Hi\r\n", b"CC: a\r\nrEPLY-tO: b\r\nSUBJECT: again\r\n")
    yield "repeated fields", message(
        b"Hi\r\n", b"Subject: two\r\nTo: y@b.example\r\nSubject: three\r\n"
        b"Cc: a\r\nTo: z@b.example\r\nCc: b\r\n")
    yield "5000 fields", message(
        b"Hi\r\n", b"".join(b"X-Field-%d: value %d\r\n" % (i, i)
                            for i in range(5000)))
    yield "5000 covered fields", message(
        b"Hi\r\n", b"".join(b"To: %d@b.example\r\nCc: %d\r\n" % (i, i)
                            for i in range(2500)))
    yield "body with no end", message(b"last line \r\n" * 3 + b"\r\nend")


# ---- RFC 6376 as read here -------------------------------------------------

def parse(data):
    """Fields (name, text with its CRLFs) and body."""
    header, _, body = data.partition(b"\r\n\r\n")
    fields = []
    for line in re.split(rb"\r\n(?![ \t])", header):
        name, _, _ = line.partition(b":")
        fields.append((name.rstrip(b" \t").lower(), line + b"\r\n"))
    return fields, body


def canon_field(text, is_relaxed):
    if not is_relaxed:
        return text
    name, _, value = text.partition(b":")
    value = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b""))
    return name.rstrip(b" \t").lower() + b":" + value.strip(b" ") + b"\r\n"


def canon_body(body, is_relaxed):
    lines = body.split(b"\r\n")
    if is_relaxed:
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ")
                 for line in lines]
    while lines and lines[-1] == b"":
        lines.pop()
    body = b"".join(line + b"\r\n" for line in lines)
    return body if body or is_relaxed else b"\r\n"


def tags(value):
    pairs = (part.split(b"=", 1) for part in value.split(b";")
             if part.strip())
    return {name.strip(): re.sub(rb"[ \t\r\n]+", b"", text)
            for name, text in pairs}


class Reading:
    """A signature of a message, by RFC 6376 §3.7."""

    def __init__(self, data, which):
        fields, body = parse(data)
        signatures = [i for i, field in enumerate(fields)
                      if field[0] == b"dkim-signature"]
        text = fields[signatures[which]][1]
        self.tags = tags(text.partition(b":")[2])
        head, _, rest = self.tags[b"c"].partition(b"/")
        self.body_hash = base64.b64encode(hashlib.sha256(
            canon_body(body, rest == b"relaxed")).digest())
        left = list(fields)
        hashed = b""
        self.covered = []
        for name in self.tags[b"h"].lower().split(b":"):
            at = next((i for i in range(len(left) - 1, -1, -1)
                       if left[i][0] == name), None)
            self.covered.append((name, at is not None))
            if at is not None:
                hashed += canon_field(left.pop(at)[1], head == b"relaxed")
        without = re.sub(rb"([;\s]b[ \t\r\n]*=)[^;]*", rb"\1", text)
        hashed += canon_field(without, head == b"relaxed").rstrip(b"\r\n")
        self.header_hash = hashlib.sha256(hashed).digest()

    def problem(self, ed25519):
        if self.tags[b"bh"] != self.body_hash:
            return "body hash"
        if self.tags[b"a"] == b"ed25519-sha256":
            try:
                ed25519.verify(self.header_hash,
                               base64.b64decode(self.tags[b"b"]))
            except nacl.exceptions.BadSignatureError:
                return "Ed25519 signature"
        return None


# ---- the tests -------------------------------------------------------------

class Signatures(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.tool = os.environ.get("SIGN_MESSAGE")
        if not cls.tool:
            raise unittest.SkipTest("SIGN_MESSAGE is not set")
        cls.directory = tempfile.mkdtemp(prefix="signatures-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.suppressions = os.path.join(cls.directory, "lsan.supp")
        with open(cls.suppressions, "w", encoding="ascii") as out:
            out.write("leak:libopendkim.so\n")
        cls.keys = os.path.join(cls.directory, "keys")
        os.makedirs(os.path.join(cls.keys, DOMAIN), 0o700)
        cls.records = {}
        der = cls.make_key("rsa", ["-algorithm", "rsa"])
        cls.records["rsa._domainkey." + DOMAIN] = (
            b"v=DKIM1; k=rsa; p=" + base64.b64encode(der))
        der = cls.make_key("ed", ["-algorithm", "ed25519"])
        cls.records["ed._domainkey." + DOMAIN] = (
            b"v=DKIM1; k=ed25519; p=" + base64.b64encode(der[-32:]))
        cls.ed25519 = nacl.signing.VerifyKey(der[-32:])
        cls.zone = os.path.join(cls.directory, "records")
        with open(cls.zone, "w", encoding="ascii") as out:
            for name, text in cls.records.items():
                out.write("%s\t%s\n" % (name, text.decode()))

    @classmethod
    def make_key(cls, selector, arguments):
        path = os.path.join(cls.keys, DOMAIN, selector + ".private")
        subprocess.run(["openssl", "genpkey", "-out", path] + arguments,
                       check=True, stderr=subprocess.DEVNULL)
        os.chmod(path, 0o600)
        return subprocess.run(
            ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"],
            check=True, stdout=subprocess.PIPE).stdout

    def run_tool(self, data, *options):
        """libopendkim makes each signature too, and they are compared. Under
        ASan most of the time would go into finding the names of functions,
        to see that libopendkim has lost what it always does. So it may lose
        what it likes at first, and names are looked for if anything else is
        wrong."""
        quick = {"ASAN_OPTIONS": "symbolize=0",
                 "LSAN_OPTIONS": "print_suppressions=0:suppressions="
                                 + self.suppressions}
        done = self.run_once(data, options, quick)
        if b"Sanitizer" in done.stderr:
            done = self.run_once(data, options, {})
        return done

    def run_once(self, data, options, settings):
        return subprocess.run(
            [self.tool, "--keys", self.keys, "--domain", DOMAIN, "--check",
             *options],
            input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            check=False, timeout=120, env={**os.environ, **settings})

    def sign(self, data, *options):
        """The signed message as the next server receives it."""
        done = self.run_tool(data, *options)
        self.assertEqual(0, done.returncode, done.stderr.decode())
        signed = done.stdout
        body = signed.partition(b"\r\n\r\n")[2]
        if body and not body.endswith(b"\r\n"):
            signed += b"\r\n"
        return signed

    def python_dkim(self, signed, which):
        def lookup(name, timeout=5):
            del timeout
            return self.records.get(name.decode().rstrip("."))
        try:
            return dkim.DKIM(signed).verify(which, lookup)
        except dkim.DKIMException as error:
            return repr(error)

    def mail_dkim(self, signed_by_name):
        """name -> [(algorithm, result, detail)]"""
        paths = {}
        for number, (name, signed) in enumerate(signed_by_name.items()):
            path = os.path.join(self.directory, "%d.eml" % number)
            with open(path, "wb") as out:
                out.write(signed)
            paths[path] = name
        done = subprocess.run(
            ["perl", os.path.join(HERE, "verify_mail_dkim.pl"), self.zone,
             *paths],
            stdout=subprocess.PIPE, check=True, timeout=600)
        results = {name: [] for name in signed_by_name}
        for line in done.stdout.decode().splitlines():
            path, *result = line.split("\t")
            results[paths[path]].append(tuple(result))
        for path in paths:
            os.unlink(path)
        return results

    def check(self, name, signed, python_dkim=True):
        """What is wrong with the two signatures, without Mail::DKIM."""
        problems = []
        for which, algorithm in enumerate([b"ed25519-sha256", b"rsa-sha256"]):
            reading = Reading(signed, which)
            self.assertEqual(algorithm, reading.tags[b"a"], name)
            problem = reading.problem(self.ed25519)
            if problem:
                problems.append((name, algorithm, "this file", problem))
            if python_dkim:
                result = self.python_dkim(signed, which)
                if result is not True:
                    problems.append(
                        (name, algorithm, "python3-dkim", result))
        return problems

    def check_mail_dkim(self, signed_by_name):
        problems = []
        for name, results in self.mail_dkim(signed_by_name).items():
            rsa = [r for r in results if r[0] == "rsa-sha256"]
            if [r[1] for r in rsa] != ["pass"]:
                problems.append((name, "Mail::DKIM", results))
        return problems

    def test_corpus(self):
        problems = []
        signed_by_name = {}
        for canon in CANONS:
            for name, data in corpus():
                name = "%s, %s" % (name, canon)
                signed = self.sign(data, "--canon", canon,
                                   "--oversign", "From")
                problems += self.check(name, signed)
                signed_by_name[name] = signed
        problems += self.check_mail_dkim(signed_by_name)
        self.assertEqual([], problems)

    def test_10_megabytes(self):
        line = b"The quick  brown fox jumps over the lazy\tdog. \r\n"
        data = message(line * (10 * 1024 * 1024 // len(line)))
        problems = []
        signed_by_name = {}
        for canon in ["relaxed/simple", "relaxed/relaxed"]:
            signed = self.sign(data, "--canon", canon, "--piece", "65535")
            problems += self.check(canon, signed)
            signed_by_name[canon] = signed
        problems += self.check_mail_dkim(signed_by_name)
        self.assertEqual([], problems)

    def test_change_is_noticed(self):
        """The verifiers of this test can say no."""
        signed = self.sign(message(b"Hello.\r\n"), "--oversign", "From")
        for old, new in [(b"Hello.", b"Hallo."),
                         (b"Subject: hello", b"Subject: hallo"),
                         (b"\r\nTo:", b"\r\nFrom: m@evil.example\r\nTo:")]:
            changed = signed.replace(old, new)
            self.assertNotEqual(signed, changed)
            for which in (0, 1):
                self.assertIsNot(True, self.python_dkim(changed, which), new)
            self.assertIsNotNone(
                Reading(changed, 0).problem(self.ed25519), new)
            self.assertEqual(
                1, len(self.check_mail_dkim({"changed": changed})), new)

    def test_mail_dkim_and_ed25519(self):
        signed = self.sign(message(b"Hello.\r\n"), "--selector", "ed")
        results = self.mail_dkim({"ed": signed})["ed"]
        self.assertNotIn("pass", [r[1] for r in results],
                         "Mail::DKIM has learnt Ed25519: let it verify")

    def test_other_engine(self):
        """libopendkim's are the same octets."""
        for canon in CANONS:
            for name, data in corpus():
                options = ("--canon", canon, "--time", "1000000000",
                           "--oversign", "From")
                self.assertEqual(
                    self.sign(data, *options),
                    self.sign(data, *options, "--engine", "opendkim"),
                    "%s, %s" % (name, canon))

    def test_blank_before_the_colon(self):
        """RFC 5322 §4.5. python3-dkim takes no such field."""
        problems = []
        signed_by_name = {}
        for canon in CANONS:
            for blank in (b" ", b"  ", b"\t", b" \t "):
                data = message(b"Hi\r\n", b"Cc" + blank + b": a\r\n")
                options = ("--canon", canon, "--oversign", "Cc")
                name = "%s %r" % (canon, blank)
                if b"\t" in blank and canon.startswith("simple"):
                    done = self.run_tool(
                        data, *options, "--engine", "opendkim")
                    self.assertIn(b"no tab", done.stderr, name)
                signed = self.sign(data, *options)
                self.assertIn((b"cc", True), Reading(signed, 0).covered)
                problems += self.check(name, signed, python_dkim=False)
                signed_by_name[name] = signed
        problems += self.check_mail_dkim(signed_by_name)
        self.assertEqual([], problems)

    def test_pieces(self):
        """The body may come in any pieces."""
        body = b"\r\n a\r\n\r\n\t \r\nb \tc \r\n.\r\n\r\nd\r\n \r\n\r\n"
        data = message(body)
        problems = []
        signed_by_name = {}
        for canon in CANONS:
            for option in ("--cut", "--piece"):
                for size in range(1, len(body) + 1):
                    name = "%s %s %d" % (canon, option, size)
                    signed = self.sign(data, "--canon", canon, option,
                                       str(size), "--selector", "ed")
                    problem = Reading(signed, 0).problem(self.ed25519)
                    if problem:
                        problems.append((name, problem))
                    signed_by_name[name] = signed
        hashes = {(name.split()[0], Reading(signed, 0).tags[b"bh"])
                  for name, signed in signed_by_name.items()}
        self.assertEqual([], problems)
        self.assertEqual(4, len(hashes))

    def test_every_width(self):
        """Signatures are folded the same when computed and when written,
        wherever the lines end."""
        problems = []
        signed_by_name = {}
        for canon in ["simple/simple", "relaxed/simple"]:
            for width in range(1, 90):
                name = "%s %d" % (canon, width)
                signed = self.sign(
                    message(b"Hi\r\n"), "--canon", canon, "--headers",
                    "From,Subject", "--oversign", "X" * width)
                problems += self.check(name, signed)
                signed_by_name[name] = signed
        problems += self.check_mail_dkim(signed_by_name)
        self.assertEqual([], problems)

    def test_header_lists(self):
        many = ["X-Name-%d" % i for i in range(150)]
        more = b"X-Tenant: t1\r\nX-Other: no\r\n" + b"".join(
            b"%s: v\r\n" % name.encode() for name in many)
        data = message(b"Hi\r\n", more)
        problems = []
        signed_by_name = {}
        for canon in CANONS:
            signed = self.sign(
                data, "--canon", canon, "--headers",
                ",".join(["x-tenant"] + many), "--oversign",
                "From,Subject,Cc,X-Tenant")
            covered = Reading(signed, 1).covered
            problems += self.check(canon, signed)
            signed_by_name[canon] = signed
            self.assertEqual(1, covered.count((b"x-tenant", True)))
            self.assertEqual(1, covered.count((b"x-tenant", False)))
            self.assertEqual(1, covered.count((b"from", True)))
            self.assertEqual(1, covered.count((b"from", False)))
            self.assertEqual(1, covered.count((b"cc", False)))
            self.assertNotIn(b"x-other", [name for name, _ in covered])
            self.assertNotIn(b"to", [name for name, _ in covered])
        problems += self.check_mail_dkim(signed_by_name)
        self.assertEqual([], problems)

    def test_identities(self):
        """i= of any local part, of the domain or below it (RFC 6376 §3.5)."""
        problems = []
        signed_by_name = {}
        for identity, wanted in (
                ("@" + DOMAIN, b"@a.example"),
                ("joe@" + DOMAIN, b"joe@a.example"),
                ("joe@news." + DOMAIN, b"joe@news.a.example"),
                ("j;b=o=e@" + DOMAIN, b"j=3Bb=3Do=3De@a.example"),
                ('"j o"@' + DOMAIN, b'"j=20o"@a.example'),
                ("jörg@bücher." + DOMAIN,
                 b"j=C3=B6rg@xn--bcher-kva.a.example"),
                ("l" * 200 + "@" + DOMAIN, b"l" * 200 + b"@a.example")):
            for canon in CANONS:
                name = "%s %s" % (identity, canon)
                options = ("--canon", canon, "--identity", identity,
                           "--time", "1000000000")
                signed = self.sign(message(b"Hi\r\n"), *options)
                self.assertEqual(signed, self.sign(
                    message(b"Hi\r\n"), *options, "--engine", "opendkim"))
                self.assertEqual(wanted, Reading(signed, 0).tags[b"i"])
                problems += self.check(name, signed)
                signed_by_name[name] = signed
        problems += self.check_mail_dkim(signed_by_name)
        self.assertEqual([], problems)

    def test_identities_refused(self):
        for identity in ("joe@b.example", "joe@xa.example", "joe",
                         '"j@x"@' + DOMAIN, "l" * 250 + "@" + DOMAIN):
            done = self.run_tool(message(b"Hi\r\n"), "--identity", identity)
            self.assertEqual(1, done.returncode, identity)
            self.assertIn(b"signing with a.example/", done.stderr)
            self.assertIn(b"can't be signed: ", done.stderr)

    def test_list_unsubscribe(self):
        """RFC 8058 §4, whatever the header list."""
        signed = self.sign(
            message(b"Hi\r\n", b"List-Unsubscribe: <https://a.example/u>\r\n"
                    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
            "--headers", "From")
        covered = Reading(signed, 1).covered
        self.assertIn((b"list-unsubscribe", True), covered)
        self.assertIn((b"list-unsubscribe-post", True), covered)
        self.assertEqual([], self.check("pair", signed))

    def test_repeated_beyond_measure(self):
        """The lower ones are signed; oversigned ones all or the message
        not."""
        to = b"".join(b"To: %d@b.example\r\n" % i for i in range(5000))
        signed = self.sign(message(b"Hi\r\n", to), "--oversign", "From")
        covered = Reading(signed, 1).covered
        self.assertGreater(covered.count((b"to", True)), 1000)
        self.assertIn((b"subject", True), covered)
        self.assertEqual([], self.check("to", signed))
        done = self.run_tool(message(b"Hi\r\n", to), "--oversign", "To")
        self.assertEqual(1, done.returncode)
        self.assertIn(b"too often", done.stderr)

    def test_times(self):
        signed = self.sign(message(b"Hi\r\n"), "--expire", "1209600")
        for which in (0, 1):
            found = Reading(signed, which).tags
            self.assertEqual(int(found[b"t"]) + 1209600, int(found[b"x"]))
        self.assertEqual([], self.check("x=", signed))
        self.assertNotIn(b"x", Reading(self.sign(message(b"")), 0).tags)

    def test_tags(self):
        """What a signature says, and what it never says."""
        found = Reading(self.sign(message(b"Hi\r\n")), 1).tags
        self.assertEqual(b"a.example", found[b"d"])
        self.assertEqual(b"rsa", found[b"s"])
        self.assertEqual(b"relaxed/simple", found[b"c"])
        self.assertEqual({b"v", b"a", b"c", b"d", b"s", b"t", b"bh", b"h",
                          b"b"}, set(found))

    def test_refused(self):
        """What no receiver would find good isn't signed; words say why."""
        cases = [
            ("no From", b"To: x\r\n\r\nHi\r\n", b"no From"),
            ("nothing", b"", b"no From"),
            ("NUL in From",
             message(b"Hi\r\n", b"From: a\0b\r\n"), b"NUL"),
            ("lone CR in From",
             message(b"Hi\r\n", b"From: a\rb\r\n"), b"lone CR"),
            ("lone LF in an oversigned field",
             message(b"Hi\r\n", b"Cc: a\nBcc: b\r\n"), b"no fold"),
            ("form feed in an oversigned field",
             message(b"Hi\r\n", b"Cc: a\fb\r\n"), b"form feed"),
            ("lone LF in the body", message(b"a\nb\r\n"), b"no CRLF"),
            ("LF at the top of the body", message(b"\nb\r\n"), b"no CRLF"),
            ("CR at the body's end", message(b"ab\r"), b"before a CRLF"),
            ("CR CR LF", message(b"\r\n\r\r\n"), b"before a CRLF"),
        ]
        for name, data, words in cases:
            for piece in ("0", "1", "2"):
                with self.subTest(name=name, piece=piece):
                    done = self.run_tool(data, "--piece", piece,
                                         "--oversign", "From,Cc")
                    self.assertEqual(1, done.returncode)
                    self.assertEqual(b"", done.stdout)
                    self.assertIn(words, done.stderr)

    def test_left_out(self):
        """A field that verifiers read differently isn't covered, nor are
        others of its name; the message is signed."""
        problems = []
        signed_by_name = {}
        for octets in (b"\0", b"\r", b"\v", b"\f"):
            for canon in CANONS:
                name = "%r %s" % (octets, canon)
                signed = self.sign(
                    message(b"Hi\r\n", b"Cc: good\r\nCc: a%sb\r\n"
                            b"Reply-To: %s\r\n" % (octets, octets)),
                    "--canon", canon, "--oversign", "From")
                covered = [one for one, _ in Reading(signed, 0).covered]
                is_read_alike = (canon.startswith("simple")
                                 and octets in (b"\v", b"\f"))
                self.assertEqual(is_read_alike, b"cc" in covered, name)
                self.assertEqual(is_read_alike, b"reply-to" in covered, name)
                self.assertIn(b"subject", covered)
                problems += self.check(name, signed)
                signed_by_name[name] = signed
        problems += self.check_mail_dkim(signed_by_name)
        self.assertEqual([], problems)

    def test_lone_cr_in_the_body(self):
        """An octet like any other (RFC 6376 §3.4); libopendkim can't."""
        problems = []
        signed_by_name = {}
        for canon in CANONS:
            for body in (b"a\rb\r\n", b"\ra\r\n", b"a \r b\r\n",
                         b"a\r\rb\r\n", b"x\r\n\r \t\rb\r\n",
                         b"x\r\n\r\n\ry\r\n\r\n", b"a\rb"):
                name = "%r %s" % (body, canon)
                signed = self.sign(message(body), "--canon", canon,
                                   "--piece", "1")
                problems += self.check(name, signed)
                signed_by_name[name] = signed
                done = self.run_tool(message(body), "--canon", canon,
                                     "--engine", "opendkim")
                self.assertEqual(1, done.returncode)
                self.assertIn(b"hashes wrongly", done.stderr)
        problems += self.check_mail_dkim(signed_by_name)
        self.assertEqual([], problems)

    def test_not_covered_so_not_refused(self):
        data = message(
            b"Hi\r\n", b"X-Odd: a\0b\rc\fd\r\nX\x80Y: z\r\nX;Y: a\r\n"
            b"X{(+*: b\r\n: no name\r\nno colon\r\nDKIM-Signature: v=; ==\r\n"
            + b"N" * 5000 + b": c\r\n")
        signed = self.sign(data, "--headers", "X-Y")
        covered = Reading(signed, 1).covered
        self.assertEqual([(b"from", True)], covered)
        self.assertIsNone(Reading(signed, 0).problem(self.ed25519))

    def test_long_word(self):
        """libopendkim would keep it in memory, so there it has a bound."""
        data = message(b"w" * (5 * 1024 * 1024) + b"\r\n")
        options = ("--canon", "relaxed/relaxed")
        done = self.run_tool(data, *options, "--engine", "opendkim")
        self.assertEqual(1, done.returncode)
        self.assertIn(b"without a blank", done.stderr)
        self.assertEqual([], self.check("relaxed", self.sign(data, *options)))
        self.assertEqual([], self.check("simple", self.sign(data)))


if __name__ == "__main__":
    unittest.main()
