"""postern: the daemon under test: configured, started, watched, stopped.

The programs come from the environment: POSTERN and POSTERNCTL, or else
POSTERN_BUILDDIR, or else the top of the source tree."""

import grp
import atexit
import functools
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile

from . import dns
from .place import Place, tail, wait_until

_HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(_HERE))
# A sanitizer makes everything slow, and the machine may be busy.
SECONDS = 60.0

_REPORT = re.compile(r"ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|"
                     r"runtime error:|Assertion .* failed")
_FIELD = re.compile(r'([a-z_][\w.]*)=("(?:[^"\\]|\\.)*"|\S*)')


def program(name: str) -> str:
    """The path of a program of ours, where any user can run it: a checkout
    may lie below a home directory that only root can enter."""
    path = os.environ.get(name.upper()) or os.path.join(
        os.environ.get("POSTERN_BUILDDIR") or TOP, name)
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path}: build it, or set {name.upper()} "
                                "or POSTERN_BUILDDIR")
    return _reachable(os.path.abspath(path))


@functools.cache
def _open_place() -> str:
    """A directory that everybody can enter, for as long as the tests run."""
    path = tempfile.mkdtemp(prefix="postern-programs-")
    os.chmod(path, 0o755)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@functools.cache
def _reachable(path: str) -> str:
    """path, or a copy of it where everybody can read it."""
    above = path
    while above != "/" and os.stat(above).st_mode & stat.S_IXOTH:
        above = os.path.dirname(above)
    if above == "/" or os.geteuid() != 0:
        return path
    copy = os.path.join(_open_place(), os.path.basename(path))
    shutil.copy2(path, copy)
    os.chmod(copy, 0o755)
    return copy


def _sanitizers(unwinder: str, leaks: str) -> dict:
    asan = ("abort_on_error=0:exitcode=99:detect_leaks=1:"
            "detect_stack_use_after_return=1")
    return {
        "ASAN_OPTIONS": f"{asan}:{unwinder}",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
        "TSAN_OPTIONS": "exitcode=99:halt_on_error=0:second_deadlock_stack=1:"
                        "suppressions="
                        + _reachable(os.path.join(_HERE, "tsan.supp")),
        "LSAN_OPTIONS": "exitcode=99:print_suppressions=0:suppressions="
                        + _reachable(os.path.join(_HERE, leaks)),
    }


# libcrypto has no frame pointers: only the slow unwinder sees who called it.
SANITIZERS = _sanitizers("fast_unwind_on_malloc=0", "lsan.supp")
# But for a daemon that signs much with libopendkim too it would take longer to
# note where each piece of memory came from than all else. What libcrypto loses
# is then left to other tests to see.
HASTY_SANITIZERS = _sanitizers("fast_unwind_on_malloc=1", "lsan-hasty.supp")


def is_sanitized() -> bool:
    with open(program("postern"), "rb") as file:
        image = file.read()
    return b"__asan_init" in image or b"__tsan_init" in image


def user() -> pwd.struct_passwd:
    """Whom the daemon runs as: nobody we know, unless we aren't root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    return pwd.getpwnam(os.environ.get("POSTERN_TEST_USER", "nobody"))


def _value(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(_value(one) for one in value) + " }"
    text = str(value)
    if re.fullmatch(r"[A-Za-z0-9_]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def render(settings: dict) -> str:
    """A configuration file: {"mode": "observe", "log": {...},
    ("class", "local"): {...}, ("limit", "hourly"): {...}}. Sections come
    after options; a value None leaves the option out."""
    lines = []
    for name, value in settings.items():
        if not isinstance(value, dict) and value is not None:
            lines.append(f"{name} = {_value(value)}")
    for name, value in settings.items():
        if not isinstance(value, dict):
            continue
        # A class is named by a word, limits and listeners by a string.
        head = name
        if isinstance(name, tuple):
            kind, title = name
            head = (f"{kind} {title}" if kind == "class"
                    else f'{kind} "{title}"')
        lines.append(f"{head} {{")
        lines += [f"    {option} = {_value(one)}"
                  for option, one in value.items() if one is not None]
        lines.append("}")
    return "\n".join(lines) + "\n"


def merge(base: dict, changes: dict) -> dict:
    """changes over base, section by section."""
    merged = dict(base)
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = {**merged[name], **value}
        else:
            merged[name] = value
    return merged


def logfmt(line: str) -> dict:
    """The fields of a log line; what is no field is passed over."""
    fields = {}
    for name, value in _FIELD.findall(line):
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        fields[name] = value
    if "from" in fields:  # a path: with angle brackets or not
        fields["from"] = fields["from"].removeprefix("<").removesuffix(">")
    return fields


class Postern:
    """One daemon with its directory of state. settings are laid over what
    every test needs (sockets, paths, log to standard error)."""

    def __init__(self, place: Place, settings=None, listen: str = "",
                 extra: str = ""):
        self.place = place
        self.user = user()
        uid, gid = self.user.pw_uid, self.user.pw_gid
        self.run = place.make("run", mode=0o755, uid=uid, gid=gid)
        self.state = place.make("state", mode=0o700, uid=uid, gid=gid)
        self.keys_path = place.make("keys", mode=0o700, uid=uid, gid=gid)
        self.socket = listen or os.path.join(self.run, "milter.sock")
        self.control = os.path.join(self.run, "control.sock")
        self.file = place.at("postern.conf")
        self.log = place.at("postern.log")
        self.process = None
        self.sanitizers = SANITIZERS
        self._log_begin = 0  # where the present daemon's log begins
        self.configure(settings or {}, extra)

    def base(self) -> dict:
        """What every configuration here begins with. Nobody may ask the
        Internet: unless a test says otherwise, no name exists."""
        drops = os.geteuid() == 0 and not is_sanitized()
        return {
            "listen": f"unix:{self.socket}",
            "socket_mode": "0660",
            "socket_group": "postfix" if os.geteuid() == 0 else "",
            "control": f"unix:{self.control}",
            "user": self.user.pw_name if drops else "",
            "log": {"target": "stderr", "format": "logfmt"},
            "store": {"path": self.state},
            "sign": {"keys": self.keys_path},
            **dns.nothing().settings(),
        }

    def own(self, path: str, mode: int = 0o600) -> str:
        """Give the file at path to the daemon's user."""
        os.chown(path, self.user.pw_uid, self.user.pw_gid)
        os.chmod(path, mode)
        return path

    def configure(self, settings: dict, extra: str = "") -> str:
        """Write the configuration (the daemon learns of it by reload() or
        start())."""
        self.settings = merge(self.base(), settings)
        self.write(render(self.settings) + extra)
        return self.file

    def write(self, text) -> None:
        self.place.write("postern.conf", text)

    def _identity(self) -> dict:
        """The leak checker can't look into a process that has dropped its
        privileges, so a sanitized daemon is born without them."""
        if os.geteuid() != 0 or not is_sanitized():
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid,
                "extra_groups": [grp.getgrnam("postfix").gr_gid]}

    def spawn(self, *arguments: str) -> subprocess.Popen:
        """The daemon with these arguments, standard error to the log."""
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [program("postern"), *arguments], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd="/",
                env={**os.environ, **self.sanitizers}, **self._identity())

    def start(self) -> "Postern":
        if os.path.exists(self.log):
            self._log_begin = os.path.getsize(self.log)
        self.process = self.spawn("-c", self.file)
        try:
            wait_until(self._accepts, "the daemon's socket", SECONDS)
        except (TimeoutError, ChildProcessError):
            self.kill()
            raise
        return self

    def _accepts(self) -> bool:
        status = self.process.poll()
        if status is not None:
            raise ChildProcessError(f"postern ended with {status} at its "
                                    f"start\n{tail(self.log)}")
        probe = socket.socket(socket.AF_UNIX)
        with probe:
            probe.settimeout(5)
            return probe.connect_ex(self.socket) == 0

    def stop(self) -> None:
        """SIGTERM, and what a good end is: status 0, no report of a
        sanitizer."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("postern didn't end within "
                                 f"{SECONDS:g} s of SIGTERM\n"
                                 f"{tail(self.log)}") from None
        self.check_log()
        if status != 0:
            raise AssertionError("exit status of postern: wanted 0, got "
                                 f"{status}\n{tail(self.log, 80)}")

    def kill(self) -> None:
        """SIGKILL, as a crash would be."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self, settings=None, extra: str = "") -> "Postern":
        """Stop and start. If the end was bad, that is raised after the new
        start, so that one failure isn't everybody's."""
        try:
            self.stop()
        finally:
            if settings is not None:
                self.configure(settings, extra)
            self.start()
        return self

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def check_log(self) -> None:
        """Has a sanitizer spoken?"""
        text = self.text()
        found = _REPORT.search(text)
        if found:
            raise AssertionError("a report of a sanitizer:\n"
                                 + text[max(0, found.start() - 500):
                                        found.start() + 8000])

    def hangup(self) -> None:
        """Ask for a reload by signal."""
        self.process.send_signal(signal.SIGHUP)

    def ctl(self, *arguments: str,
            stdin: bytes = b"") -> subprocess.CompletedProcess:
        """posternctl -c FILE ARGUMENTS..., as the daemon's user would."""
        return self._call("posternctl", *arguments, stdin=stdin)

    def check(self) -> subprocess.CompletedProcess:
        """postern -t on the configuration."""
        return self._call("postern", "-t")

    def _call(self, name: str, *arguments: str, stdin: bytes = b""):
        ran = subprocess.run(
            [program(name), "-c", self.file, *arguments], input=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS,
            env={**os.environ, **SANITIZERS}, cwd="/", **self._identity())
        ran.out = ran.stdout.decode("utf-8", "backslashreplace")
        ran.err = ran.stderr.decode("utf-8", "backslashreplace")
        if _REPORT.search(ran.err):
            raise AssertionError(f"{name}: {ran.err}")
        return ran

    def text(self) -> str:
        """What the daemon has logged since its start."""
        try:
            with open(self.log, "rb") as file:
                file.seek(self._log_begin)
                return file.read().decode("utf-8", "backslashreplace")
        except FileNotFoundError:
            return ""

    def lines(self, **wanted) -> list:
        """Log lines whose fields have these values (all as text; `from_`
        stands for `from`, `class_` for `class`)."""
        want = {name.rstrip("_"): str(value)
                for name, value in wanted.items()}
        fields = [logfmt(line) for line in self.text().splitlines()
                  if "=" in line]
        return [one for one in fields
                if all(one.get(name) == value
                       for name, value in want.items())]

    def line(self, seconds: float = 15.0, **wanted) -> dict:
        """Wait for a log line; the last such. The line may come a moment
        after the reply."""
        try:
            return wait_until(lambda: self.lines(**wanted),
                              f"a log line with {wanted}", seconds)[-1]
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{tail(self.log)}") from None
