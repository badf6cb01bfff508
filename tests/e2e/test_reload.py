"""Reload: by signal or posternctl, the new configuration counts from the next
message on; a bad one changes nothing."""

import os

from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.place import wait_until

BENCH = None
LOGIN = "alice@a.example"
SENT = message.compose("bob@b.example")  # not alice's


def setUpModule():
    global BENCH
    BENCH = Bench("reload", {}, keys=("a.example",))


def tearDownModule():
    BENCH.stop()


def senders(action: str) -> dict:
    return {"senders": {"on_mismatch": action}}


class Reload(Case):
    def story(self):
        return BENCH.story()

    def setUp(self):
        BENCH.postern.configure(senders("observe"))
        self.ctl_reload()

    def ctl_reload(self) -> None:
        ran = BENCH.postern.ctl("reload")
        self.want(0, ran.returncode, f"exit status ({ran.out}{ran.err})")

    def is_refused(self) -> bool:
        return BENCH.send(LOGIN, SENT, LOGIN).name == "reply"

    def test_by_posternctl(self):
        self.want(False, self.is_refused(), "refused before")
        BENCH.postern.configure(senders("reject"))
        self.want(False, self.is_refused(), "refused before the reload")
        self.ctl_reload()
        self.want(True, self.is_refused(), "refused after")

    def test_by_signal(self):
        BENCH.postern.configure(senders("reject"))
        BENCH.postern.hangup()
        wait_until(self.is_refused, "the new configuration", 30)
        self.assertTrue(BENCH.postern.is_running())

    def test_log_that_cannot_be_opened_keeps_the_old(self):
        BENCH.postern.configure({**senders("reject"), "log": {
            "target": "/nonexistent/postern.log"}})
        ran = BENCH.postern.ctl("reload")
        self.want(1, ran.returncode, "exit status")
        self.assertRegex(ran.out + ran.err,
                         r"postern\.conf:\d+: .*postern.log")
        self.want(False, self.is_refused(), "the new configuration in force")

    def test_many_signals(self):
        for number in range(20):
            BENCH.postern.configure(senders("reject" if number % 2
                                            else "observe"))
            BENCH.postern.hangup()
            self.assertIn(BENCH.send(LOGIN, SENT, LOGIN).name,
                          ("accept", "continue", "reply"))
        wait_until(self.is_refused, "the last configuration", 30)

    def test_a_message_keeps_what_it_began_with(self):
        with BENCH.begun() as milter:
            milter.mail(f"<{LOGIN}>", login=LOGIN)
            milter.rcpt("<r@out.example>")
            BENCH.postern.configure(senders("reject"))
            self.ctl_reload()
            self.want_leaves(milter.content(SENT, LOGIN))
            # The next one on the same connection is judged anew.
            self.want_answer(milter.message(LOGIN, "r@out.example", SENT,
                                            LOGIN), "reply", "550 5.7.1")

    def test_bad_configuration_keeps_the_old(self):
        BENCH.postern.configure(senders("reject"))
        self.ctl_reload()
        BENCH.postern.write("mode = enforce\nmodus = 1\n")
        ran = BENCH.postern.ctl("reload")
        self.assertIn(ran.returncode, (1, 2), f"{ran.out}{ran.err}")
        self.assertIn("postern.conf:2", ran.out + ran.err)
        self.assertIn("modus", ran.out + ran.err)
        self.want(True, self.is_refused(), "refused as before")
        before = BENCH.postern.text().count("modus")
        BENCH.postern.hangup()
        wait_until(lambda: BENCH.postern.text().count("modus") > before,
                   "the fault in the log", 30)
        self.want(True, self.is_refused(), "refused as before")

    def test_configuration_gone(self):
        os.unlink(BENCH.postern.file)
        ran = BENCH.postern.ctl("reload")
        self.assertNotEqual(0, ran.returncode)
        BENCH.postern.hangup()
        self.want(False, self.is_refused(), "refused as before")
        self.assertTrue(BENCH.postern.is_running())

    def test_status(self):
        ran = BENCH.postern.ctl("status", "--json")
        self.want(0, ran.returncode, f"exit status ({ran.err})")
        self.assertTrue(ran.out.startswith("{"), ran.out)


class Nobody(Case):
    def test_reload_of_no_daemon(self):
        bench = Bench("nobody", {}, keys=(), start=False)
        try:
            ran = bench.postern.ctl("reload")
            self.assertIn(ran.returncode, (1, 75))
            self.assertIn("control.sock", ran.err)
        finally:
            bench.stop()
