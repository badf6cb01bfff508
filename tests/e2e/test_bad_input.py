"""Bad configurations: every error at once, with file and line, status 2, and
nothing half started."""

import os
import re

from harness.bench import Bench
from harness.case import Case
from harness.postern import SECONDS, render

# name, what is appended to a good configuration, and for each error expected
# the line (from 1, within what is appended) and a word of it
CASES = (
    ("unknown option", "modus = enforce\n", [(1, "modus")]),
    ("unknown section", "limits { max = 5 }\n", [(1, "limits")]),
    ("unknown class", "class outbound { sign = yes }\n", [(1, "outbound")]),
    ("option of another section", "class inbound { hold_max = 5 }\n",
     [(1, "hold_max")]),
    ("duplicate option", "max_busy = 5\n\nmax_busy = 6\n",
     [(3, "max_busy")]),
    ("duplicate section",
     "class local { sign = yes }\nclass local { limits = yes }\n",
     [(2, "local")]),
    ("duplicate limit",
     "limit \"x\" { max = 1 per = \"1h\" }\n"
     "limit \"x\" { max = 2 per = \"1h\" }\n", [(2, "x")]),
    ("not a number", "max_busy = many\n", [(1, "max_busy")]),
    ("out of bounds", "max_busy = 0\n", [(1, "max_busy")]),
    ("negative", "max_busy = -5\n", [(1, "max_busy")]),
    ("too large a number", "max_busy = 99999999999999999999999\n",
     [(1, "max_busy")]),
    ("not a duration", "limit \"x\" { max = 5 per = \"1 fortnight\" }\n",
     [(1, "per")]),
    ("not a word of the list", "mode = enforced\n", [(1, "enforce")]),
    ("not yes or no", "class local { sign = perhaps }\n", [(1, "sign")]),
    ("limit without max", "limit \"x\" { per = \"1h\" }\n", [(1, "max")]),
    ("not a network", "relay_networks = { \"10.0.0.0/33\" }\n",
     [(1, "relay_networks")]),
    ("missing map", "senders { map = \"texthash:/nonexistent/map\" }\n",
     [(1, "/nonexistent/map")]),
    ("map of an unknown kind", "senders { map = \"hash:/etc/aliases\" }\n",
     [(1, "texthash")]),
    ("missing include directory", "include_dir = \"/nonexistent/conf.d\"\n",
     [(1, "/nonexistent/conf.d")]),
    ("quote without end", "\n\nmode = \"enforce\n", [(3, "")]),
    ("brace without end", "\nclass local {\n  sign = yes\n", [(2, "")]),
    ("a brace too many", "\n}\n", [(2, "}")]),
    ("several at once", "# comment\nmodus = 1\n\n// another\n"
     "max_busy = none\nclass local {\n  sign = maybe\n  unknown = 1\n}\n",
     [(2, "modus"), (5, "max_busy"), (7, "sign"), (8, "unknown")]),
    ("octets that are no text", "\x01\x02 = 3\n", [(1, "")]),
)


class Startup(Case):
    @classmethod
    def setUpClass(cls):
        cls.bench = Bench("bad", {}, keys=("a.example",), start=False)

    @classmethod
    def tearDownClass(cls):
        cls.bench.stop()

    def story(self):
        return self.bench.story()

    def run_daemon(self) -> tuple:
        """(exit status, what it said) of a daemon that shall not start."""
        postern = self.bench.postern
        begin = len(postern.text())
        process = postern.spawn("-c", postern.file)
        try:
            status = process.wait(SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return status, postern.text()[begin:]

    def want_errors(self, errors: list, out: str) -> None:
        for line, word in errors:
            found = [one for one in out.splitlines()
                     if re.search(rf"postern\.conf:{line}\b", one)]
            self.assertTrue(any(word in one for one in found),
                            f"wanted an error of line {line} with {word!r}, "
                            f"got:\n{out}")

    def want_refused(self, errors: list) -> None:
        """-t and a start say the same, and leave nothing behind."""
        checked = self.bench.postern.check()
        self.want(2, checked.returncode, f"exit status of -t ({checked.out}"
                  f"{checked.err})")
        self.want_errors(errors, checked.out + checked.err)
        status, out = self.run_daemon()
        self.want(2, status, f"exit status of the daemon ({out})")
        self.want_errors(errors, out)
        for path in (self.bench.postern.socket, self.bench.postern.control):
            self.assertFalse(os.path.exists(path), f"{path} is left")

    def test_configurations(self):
        good = render(self.bench.postern.base())
        begin = good.count("\n")
        for name, text, errors in CASES:
            with self.subTest(name):
                self.bench.postern.write(good + text)
                self.want_refused([(begin + line, word)
                                   for line, word in errors])

    def test_group_and_log_that_are_not_there(self):
        base = self.bench.postern.base()
        for change, word in (
                ({"socket_group": "no-such-group"}, "no-such-group"),
                ({"log": {"target": "/nonexistent/log"}}, "/nonexistent")):
            with self.subTest(word):
                self.bench.postern.configure(change)
                line = [number for number, text in enumerate(
                    render({**base, **change}).splitlines(), 1)
                    if word in text]
                self.want_refused([(line[0], word)])

    def test_warnings_are_logged_at_start(self):
        self.bench.postern.configure({"mode": "observe"})
        self.bench.postern.start()
        try:
            line = self.bench.postern.line(event="configuration")
            self.assertIn("observe", line["msg"])
        finally:
            self.bench.postern.stop()

    def test_good_one_passes(self):
        self.bench.postern.configure({})
        checked = self.bench.postern.check()
        self.want(0, checked.returncode, f"exit status ({checked.err})")
        self.assertFalse(os.path.exists(self.bench.postern.socket))

    def test_several_errors_come_together(self):
        good = render(self.bench.postern.base())
        self.bench.postern.write(good + "a1 = 1\nb2 = 2\nc3 = 3\n")
        out = self.bench.postern.check()
        lines = [one for one in (out.out + out.err).splitlines()
                 if "postern.conf:" in one]
        self.want(3, len(lines), f"errors ({out.out}{out.err})")

    def test_no_file(self):
        self.bench.postern.configure({})
        os.unlink(self.bench.postern.file)
        status, out = self.run_daemon()
        self.want(2, status, f"exit status ({out})")
        self.assertIn("postern.conf", out)

    def started(self) -> str:
        """One customer's key is no reason not to start: what is said."""
        self.bench.postern.start()
        self.bench.postern.stop()
        return self.bench.postern.text()

    def test_key_that_others_can_read(self):
        self.bench.postern.configure({})
        path = self.bench.keys.file("a.example", "rsa")
        os.chmod(path, 0o644)
        try:
            checked = self.bench.postern.check()
            out = self.started()
        finally:
            os.chmod(path, 0o600)
        for said in (out, checked.out + checked.err):
            self.assertIn("a.example/rsa.private", said)
            self.assertIn("chmod 600", said)
        self.want(2, checked.returncode, "exit status of -t")

    def test_key_of_two_classes_is_told_once(self):
        """The class between them has keys elsewhere."""
        self.bench.postern.configure({("class", "local"): {
            "keys": self.bench.place.make("other-keys")}})
        self.want_told_once()

    def test_directory_of_two_classes_is_told_once(self):
        """One of them has tables beside it."""
        paths = []
        for name in ("key.table", "signing.table"):
            paths.append(self.bench.place.at(name))
            with open(paths[-1], "w", encoding="ascii") as file:
                file.write("# none yet\n")
            self.bench.postern.own(paths[-1])
        self.bench.postern.configure({("class", "relay"): {
            "key_table": paths[0], "signing_table": paths[1]}})
        self.want_told_once()

    def test_directory_of_a_class_that_is_open(self):
        """The line that names it is told, not that of all classes."""
        path = self.bench.place.make("open-keys")
        os.mkdir(os.path.join(path, "a.example"))
        os.chmod(path, 0o777)
        self.bench.postern.configure({("class", "relay"): {"keys": path}})
        checked = self.bench.postern.check()
        self.want(2, checked.returncode, "exit status of -t")
        with open(self.bench.postern.file, encoding="ascii") as file:
            line = 1 + [path in one for one in file].index(True)
        self.assertIn(f"postern.conf:{line}: {path}: ", checked.err)

    def want_told_once(self):
        path = self.bench.keys.file("a.example", "rsa")
        os.chmod(path, 0o644)
        try:
            checked = self.bench.postern.check()
        finally:
            os.chmod(path, 0o600)
        self.want(2, checked.returncode, "exit status of -t")
        told = [line for line in checked.err.splitlines()
                if "a.example/rsa.private" in line]
        self.want(1, len(told), f"lines of {checked.err}")

    def test_key_that_is_none(self):
        self.bench.postern.configure({})
        path = self.bench.keys.file("a.example", "rsa")
        with open(path, "rb") as file:
            before = file.read()
        try:
            with open(path, "wb") as file:
                file.write(b"-----BEGIN PRIVATE KEY-----\nno\n")
            out = self.started()
        finally:
            with open(path, "wb") as file:
                file.write(before)
        self.assertIn("a.example/rsa.private", out)

    def test_map_with_a_mistake(self):
        for text, line in (("@a.example alice\n@b.example\n", 2),
                           ("@a.example x\n# c\n@A.example y\n", 3)):
            with self.subTest(text):
                path = self.bench.place.write("logins", text)
                self.bench.postern.configure(
                    {"senders": {"map": f"texthash:{path}"}})
                status, out = self.run_daemon()
                self.want(2, status, f"exit status ({out})")
                self.assertIn(f"logins:{line}", out)

    def test_user_that_does_not_exist(self):
        self.bench.postern.configure({"user": "no-such-user"})
        status, out = self.run_daemon()
        self.want(2, status, f"exit status ({out})")
        self.assertIn("no-such-user", out)

    def test_wrong_arguments(self):
        postern = self.bench.postern
        for arguments in (("-x",), ("-c",), ("surplus",), ("--verbos",)):
            with self.subTest(arguments):
                process = postern.spawn(*arguments)
                try:
                    self.want(2, process.wait(SECONDS), "exit status")
                finally:
                    if process.poll() is None:
                        process.kill()
                        process.wait()

    def test_include_directory(self):
        place = self.bench.place
        place.make("conf.d")
        good = {"include_dir": place.at("conf.d")}
        self.bench.postern.configure(good)
        place.write("conf.d/10-a.conf", "max_busy = 5\n")
        place.write("conf.d/20-b.conf", "\n\nmodus = 1\n")
        place.write("conf.d/ignored.txt", "nonsense")
        out = self.bench.postern.check()
        self.want(2, out.returncode, "exit status")
        self.assertIn("20-b.conf:3", out.out + out.err)
        place.write("conf.d/20-b.conf", "\n")
        out = self.bench.postern.check()
        self.want(0, out.returncode, f"exit status ({out.err})")
