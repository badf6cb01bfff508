"""posternctl rotate of many domains, where nothing can be written."""

import json
import os
import time

from harness.bench import Bench
from harness.case import Case
from harness.dns import Nsd

BENCH = None
SERVER = None
DOMAINS = 60
JOBS = 4


def setUpModule():
    global BENCH, SERVER
    BENCH = Bench("rotate-disk", keys=())
    try:
        SERVER = Nsd(BENCH.place).start()
    except BaseException:
        tearDownModule()
        raise


def tearDownModule():
    if SERVER is not None:
        SERVER.stop()
    BENCH.stop()


class Disk(Case):
    def story(self):
        return BENCH.story() + SERVER.story()

    def ctl(self, *options: str, status: int):
        ran = BENCH.postern.ctl(
            *options, "rotate", "--all", "--jobs", str(JOBS), "--rate",
            "1000", "--server", SERVER.server)
        self.want(status, ran.returncode, f"exit status: {ran.err}")
        return ran

    def add(self, number: int) -> None:
        """A domain whose key is old enough to be exchanged."""
        old = time.time() - 40 * 86400
        path = BENCH.keys.add(f"d{number}.example", "old", "ed25519")
        os.utime(path, (old, old))

    def test_nobody_may_write(self):
        """What every domain would fail by is said once, and the rest isn't
        tried; later all begin."""
        states = os.path.join(BENCH.keys.path, ".rotate")
        os.mkdir(states, 0o755)
        self.add(0)
        ran = self.ctl(status=1)
        self.assertIn("nothing can be written there", ran.err)
        self.assertIn(" 1 failed\n", ran.err, "nothing is left to be done")
        for i in range(1, DOMAINS):
            self.add(i)
        ran = self.ctl(status=1)
        self.want("", ran.out, "records")
        self.want([f"posternctl: {states}: nothing can be written there: "
                   "Permission denied: let the daemon's user write there"],
                  [line for line in ran.err.splitlines()
                   if line.startswith("posternctl: ")], "errors")
        self.assertIn("; the rest was not done", ran.err)
        shown = json.loads(self.ctl("--json", status=1).out)
        summary = shown["summary"]
        self.want(False, summary["whole"], "whole")
        failed = summary["failed"] + summary["later"]
        self.assertIn(failed, range(1, JOBS + 1))
        self.want(failed, len(shown["domains"]), "rows")
        os.chown(states, BENCH.postern.user.pw_uid,
                 BENCH.postern.user.pw_gid)
        summary = json.loads(self.ctl("--json", status=75).out)["summary"]
        self.want((DOMAINS, DOMAINS, True),
                  tuple(summary[one] for one in
                        ("started", "waiting", "whole")), "when it can")
