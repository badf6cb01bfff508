"""posternctl import-opendkim: what it says and writes, and that a daemon with
the result signs as OpenDKIM itself does."""

import os
import re
import shlex
import socket
import subprocess
import unittest

from harness import message
from harness.case import Case
from harness.keys import Keys
from harness.milterclient import Milter
from harness.place import Place, tail, token, wait_until
from harness.postern import SANITIZERS, Postern, program, render

OPENDKIM = "/usr/sbin/opendkim"
SINGLE = "Mode s\nDomain a.example\nSelector s1\nKeyFile /k\n"
SECTION = re.compile(r"(?m)^(\w+) \{$")


class Import(Case):
    """A directory for what is written."""

    def setUp(self):
        self.place = Place("import")
        self.addCleanup(self.place.remove)

    def run_import(self, text: str, *arguments: str, status: int = 0):
        path = self.place.write("opendkim.conf", text)
        ran = subprocess.run(
            [program("posternctl"), "import-opendkim", path,
             *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL, timeout=60, text=True,
            env={**os.environ, **SANITIZERS}, cwd=self.place.path)
        self.want(status, ran.returncode,
                  f"exit status; {ran.stdout}{ran.stderr}")
        return ran

    def check(self, path: str) -> None:
        """postern -t takes it."""
        ran = subprocess.run([program("postern"), "-t", "-c", path],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=60, text=True,
                             env={**os.environ, **SANITIZERS})
        for line in ran.stdout.splitlines():
            # Whom the package makes isn't there in a test.
            if "user" not in line and "socket_group" not in line \
                    and "postern.sock" not in line:
                self.assertNotRegex(line, r"postern\.conf:\d+: ", ran.stdout)


class Command(Import):
    def test_to_standard_output(self):
        ran = self.run_import(SINGLE)
        self.assertIn("owners = all", ran.stdout)
        self.assertIn("install -o postern -g postern -m 0600 /k "
                      "/etc/postern/keys/a.example/s1.private", ran.stderr)
        self.check(self.place.write("postern.conf", ran.stdout))

    def test_to_a_file_that_is_new(self):
        path = self.place.at("new.conf")
        ran = self.run_import(SINGLE, "--output", path)
        self.want("", ran.stdout, "standard output")
        with open(path) as file:
            self.assertIn("owners = all", file.read())
        ran = self.run_import(SINGLE, "--output", path, status=2)
        self.assertIn(f"{path}: is there already", ran.stderr)

    def test_to_a_directory(self):
        where = self.place.make("out")
        self.run_import(SINGLE, "--output", where)
        self.want(["key.table", "postern.conf", "signing.table"],
                  sorted(os.listdir(where)), "files")
        with open(os.path.join(where, "key.table")) as file:
            self.want(f"a.example a.example:s1:{where}/s1.private\n",
                      file.read(), "the KeyTable")

    def test_something_is_lost(self):
        ran = self.run_import(SINGLE + "DontSignMailTo x@y.example\n",
                              status=1)
        self.assertIn("opendkim.conf:5: no equivalent: DontSignMailTo",
                      ran.stderr)
        self.assertIn("DontSignMailTo", ran.stdout)

    def test_json(self):
        ran = self.run_import(SINGLE, "--json")
        self.assertIn('"configuration"', ran.stdout)
        self.assertIn('"commands"', ran.stdout)

    def test_usage(self):
        for arguments, words in (
                (("x",), "one file"),
                (("--owners", "some"), "all, own or map"),
                (("--owners", "map"), "which map"),
                (("--owners", "all", "--map", "texthash:m"), "--map"),
                (("--output", self.place.at("a", "b")), "No such file")):
            with self.subTest(arguments):
                ran = self.run_import(SINGLE, *arguments, status=2)
                self.assertIn(words, ran.stderr)

    def test_no_such_file(self):
        ran = subprocess.run(
            [program("posternctl"), "import-opendkim", self.place.at("no")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.want(2, ran.returncode, "exit status")
        self.assertIn(self.place.at("no"), ran.stderr)


class OpenDkim:
    """OpenDKIM itself, with a configuration of the test's."""

    def __init__(self, place: Place, conf: str):
        self.socket = place.at("opendkim.sock")
        self.log = place.at("opendkim.log")
        # The directories of a test are below /tmp, which it doesn't trust.
        path = place.write("run.conf", f"Include {conf}\nBackground no\n"
                           f"Socket local:{self.socket}\nSyslog no\n"
                           "RequireSafeKeys no\nUMask 0\n")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [OPENDKIM, "-f", "-x", path], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=place.path)
        wait_until(self._is_there, f"opendkim {tail(self.log)}")

    def _is_there(self) -> bool:
        if self.process.poll() is not None:
            raise ChildProcessError(f"opendkim ended: {tail(self.log)}")
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Accepted(Exception):
    """The milter has no more interest in the message."""


class Mta(Milter):
    """OpenDKIM accepts before the end what it doesn't sign."""

    def answer(self, stage: str):
        answer = super().answer(stage)
        if answer.command == b"a" and stage != "eom":
            raise Accepted
        return answer


def signers(path: str, author: str, login: str, address: str) -> list:
    """The d=, s= and i= that a milter puts on a message of author."""
    with Mta(path) as milter:
        try:
            milter.begin(address=address)
            answer = milter.message(author, f"{token()}@out.example",
                                    message.compose(author), login)
        except Accepted:
            return []
    found = []
    for _, name, value in answer.inserted:
        if name.lower() != b"dkim-signature":
            continue
        tags = dict(re.findall(r"\b(\w+)=([^;]*)",
                               re.sub(r"\s+", "", value.decode())))
        # What i= is without it, and domains in any case, are the same.
        identity = tags.get("i", f"@{tags['d']}")
        user, at, domain = identity.rpartition("@")
        found.append(f"{tags['d']}/{tags['s']} i={user}{at}{domain.lower()}")
    return sorted(found)


@unittest.skipUnless(os.access(OPENDKIM, os.X_OK),
                     "opendkim isn't installed")
class SameSignatures(Import):
    """Both get the same messages, and sign with the same names."""

    AUTHORS = ("alice@a.example", "bob@A.Example", "bob@b.example",
               "alice@unknown.example", "alice@sub.a.example")
    # (login, address)
    CLIENTS = (("", "192.0.2.7"), ("alice@a.example", "203.0.113.9"),
               ("", "203.0.113.9"))

    def setUp(self):
        super().setUp()
        self.keys = Keys(self.place.make("dkimkeys"), os.geteuid(),
                         os.getegid())
        self.files = {name: self.keys.add(f"{name}.example", "k")
                      for name in ("a", "b")}
        # The import gives the files away, not what they are in.
        for file in self.files.values():
            directory = os.path.dirname(file)
            os.chmod(directory, 0o711)
            os.chmod(os.path.dirname(directory), 0o711)

    def story(self):
        return tail(self.place.at("postern.log"))

    def start(self, conf: str, *arguments: str, status: int = 0) -> Postern:
        """A daemon with what the import makes of it."""
        where = self.place.make("imported")
        ran = self.run_import(conf, "--output", where, *arguments,
                              status=status)
        postern = Postern(self.place)
        for line in ran.stderr.splitlines():
            words = shlex.split(line) if line.startswith("  ") else []
            if words:
                name = postern.user.pw_name
                words = [name if word == "postern" else word
                         for word in words]
                if words[0] == "install":
                    words[words.index("-g") + 1] = str(postern.user.pw_gid)
                subprocess.run(words, check=True)
        with open(os.path.join(where, "postern.conf")) as file:
            text = file.read()
        base = {name: value for name, value in postern.base().items()
                if name not in SECTION.findall(text)}
        postern.write(render(base) + text)
        self.addCleanup(postern.stop)
        return postern.start()

    def compare(self, conf: str, *arguments: str, status: int = 0,
                authors=AUTHORS) -> None:
        path = self.place.write("opendkim.conf", conf)
        opendkim = OpenDkim(self.place, path)
        wanted = {}
        try:
            for author in authors:
                for client in self.CLIENTS:
                    wanted[author, client] = signers(opendkim.socket, author,
                                                     *client)
        finally:
            opendkim.stop()
        self.assertTrue(any(wanted.values()), "OpenDKIM signs something")
        self.assertFalse(all(wanted.values()), "OpenDKIM signs all")
        postern = self.start(conf, *arguments, status=status)
        for (author, client), names in wanted.items():
            with self.subTest(author=author, client=client):
                self.want(names, signers(postern.socket, author, *client),
                          "signatures")

    def test_single_key(self):
        self.compare("Mode s\nDomain a.example\nSelector s1\n"
                     f"KeyFile {self.files['a']}\nSubDomains yes\n"
                     "InternalHosts 127.0.0.1, 192.0.2.0/24\n")

    def test_single_key_for_two(self):
        self.compare("Mode s\nDomain a.example,b.example\nSelector s1\n"
                     f"KeyFile {self.files['a']}\nSubDomains yes\n"
                     "InternalHosts 192.0.2.0/24\n", "--owners", "all")

    def tables(self, keys: str, signing: str) -> tuple:
        return (self.place.write("key.table", keys),
                self.place.write("signing.table", signing))

    def test_patterns(self):
        keys, signing = self.tables(
            f"a a.example:s1:{self.files['a']}\n"
            f"b b.example:s2:{self.files['b']}\n",
            "*@a.example a\n*@*.a.example a\nbob@b.example b\n")
        self.compare(f"Mode s\nKeyTable {keys}\n"
                     f"SigningTable refile:{signing}\n"
                     "MultipleSignatures yes\n"
                     "InternalHosts 192.0.2.0/24\n", "--owners", "all")

    def test_keys_called_a_refile(self):
        keys, signing = self.tables(
            f"a a.example:s1:{self.files['a']}\n"
            f"b b.example:s2:{self.files['b']}\n",
            "*@a.example a\n*@*.a.example a\nbob@b.example b\n")
        self.compare(f"Mode s\nKeyTable refile:{keys}\n"
                     f"SigningTable refile:{signing}\n"
                     "MultipleSignatures yes\n"
                     "InternalHosts 192.0.2.0/24\n", "--owners", "all")

    def test_several_for_an_address(self):
        keys, signing = self.tables(
            f"a a.example:s1:{self.files['a']}\n"
            f"a2 a.example:s2:{self.files['b']}\n",
            "*@a.example a\n*@a.example a2\n*@sub.a.example a2\n")
        self.compare(f"Mode s\nKeyTable {keys}\n"
                     f"SigningTable refile:{signing}\n"
                     "MultipleSignatures yes\n"
                     "InternalHosts 192.0.2.0/24\n")

    def test_the_first_for_an_address(self):
        """OpenDKIM's default."""
        keys, signing = self.tables(
            f"a a.example:s1:{self.files['a']}\n"
            f"a2 a.example:s2:{self.files['b']}\n"
            f"b b.example:s2:{self.files['b']}\n"
            f"p provider.example:s3:{self.files['b']}\n",
            "bob@a.example a2\n*@a.example a\n*@a.example a2\n"
            "*@sub.a.example a2\n*@*.a.example a\n"
            "*@b.example p\n*@b.example b\n")
        self.compare(f"Mode s\nKeyTable {keys}\n"
                     f"SigningTable refile:{signing}\n"
                     "InternalHosts 192.0.2.0/24\n", "--owners", "all")

    def test_the_first_of_a_plain_table(self):
        keys, signing = self.tables(
            f"a a.example:s1:{self.files['a']}\n"
            f"a2 a.example:s2:{self.files['b']}\n"
            f"b b.example:s2:{self.files['b']}\n",
            "bob@* a2\na.example a\nalice@a.example a2\n"
            ".a.example a\nb.example b\nbob@.example a2\n")
        self.compare(f"Mode s\nKeyTable {keys}\nSigningTable {signing}\n"
                     "MultipleSignatures no\n"
                     "InternalHosts 192.0.2.0/24\n", "--owners", "all")

    def test_signers(self):
        keys, signing = self.tables(
            f"a a.example:s1:{self.files['a']}\n"
            f"a2 a.example:s2:{self.files['b']}\n"
            f"b %:s2:{self.files['b']}\n",
            "alice@a.example a:@%\n*@*a.example a2:news@Mail.a.example\n"
            "*@*.a.example a:@%\nbob@a.example a\n*@b.example b:x@%\n"
            "*@b.example a:@%\n")
        self.compare(f"Mode s\nKeyTable {keys}\n"
                     f"SigningTable refile:{signing}\n"
                     "MultipleSignatures yes\n"
                     "InternalHosts 192.0.2.0/24\n", "--owners", "all")

    def test_plain_table(self):
        keys, signing = self.tables(
            f"a a.example:s1:{self.files['a']}\n"
            f"b b.example:s2:{self.files['b']}\n",
            "a.example a\n.a.example a\nbob@b.example b\n")
        self.compare(f"Mode s\nKeyTable {keys}\nSigningTable {signing}\n"
                     "MultipleSignatures yes\n"
                     "InternalHosts 192.0.2.0/24\n", "--owners", "all")

    def test_one_key_for_what_comes(self):
        keys, signing = self.tables(f"any %:s1:{self.files['a']}\n",
                                    "*@a.example any\n*@b.example any\n"
                                    "*@sub.a.example any\n")
        self.compare(f"Mode s\nKeyTable {keys}\n"
                     f"SigningTable refile:{signing}\n"
                     "MultipleSignatures yes\n"
                     "InternalHosts 192.0.2.0/24\n", "--owners", "all")


if __name__ == "__main__":
    unittest.main()
