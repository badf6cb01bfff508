"""Ends and beginnings: SIGTERM drains, a crash leaves nothing that hinders,
two daemons don't share a socket."""

import os
import signal
import socket
import threading

from harness import message
from harness.bench import Bench
from harness.case import Case
from harness.milterclient import Gone, applied
from harness.place import tail, wait_until
from harness.postern import SECONDS

LOGIN = "alice@a.example"
SENT = message.compose(LOGIN)


class Stop(Case):
    def setUp(self):
        self.bench = Bench("stop", {}, keys=("a.example",))
        self.addCleanup(self.bench.stop)
        self.postern = self.bench.postern

    def story(self):
        return self.bench.story()

    def want_served(self) -> None:
        answer = self.bench.send(LOGIN, SENT, LOGIN)
        self.want_leaves(answer)
        self.want(2, len(answer.inserted), "signatures")

    def test_message_in_flight_is_finished(self):
        process = self.postern.process
        with self.bench.begun() as milter, self.bench.begun() as other:
            milter.mail(f"<{LOGIN}>", login=LOGIN)
            milter.rcpt("<r@out.example>")
            milter.data()
            for name, value in message.split(SENT)[0]:
                milter.header(name, value.removeprefix(b" "))
            milter.eoh()
            process.send_signal(signal.SIGTERM)
            self._want_no_new_message(other)
            self.assertIsNone(process.poll(), "ended too soon")
            milter.body(message.split(SENT)[1])
            answer = milter.eom()
            self.want_leaves(answer)
            self.want_signed(applied(SENT, answer), self.bench.keys,
                             "a.example/ed", "a.example/rsa")
        self.want(0, process.wait(SECONDS), "exit status")
        self.want_fields(self.postern.line(event="message", account=LOGIN),
                         action="accept")
        self.assertFalse(os.path.exists(self.postern.socket),
                         "the socket is still there")

    def _want_no_new_message(self, milter) -> None:
        """New messages are put off, some time after the signal at the
        latest."""
        def is_put_off() -> bool:
            try:
                answer = milter.mail("<x@c.example>", login="x@c.example")
                milter.abort()
            except (Gone, BrokenPipeError, ConnectionResetError):
                return True
            if answer is not None and answer.name == "reply":
                self.want_answer(answer, "reply", "451 4.3.2")
                return True
            return False
        wait_until(is_put_off, "new messages to be put off")

    def test_stops_with_idle_connections_open(self):
        idle = [self.bench.begun() for _ in range(5)]
        idle += [self.bench.milter() for _ in range(5)]
        try:
            process = self.postern.process
            process.send_signal(signal.SIGTERM)
            self.want(0, process.wait(SECONDS), "exit status")
        finally:
            for milter in idle:
                milter.close()

    def test_two_signals(self):
        with self.bench.begun() as milter:
            milter.mail(f"<{LOGIN}>", login=LOGIN)
            process = self.postern.process
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: self.postern.lines(event="stopping")
                       or process.poll() is not None, "the drain to begin")
            process.send_signal(signal.SIGTERM)
            self.want(0, process.wait(SECONDS), "exit status")

    def test_interrupt_stops_too(self):
        process = self.postern.process
        process.send_signal(signal.SIGINT)
        self.want(0, process.wait(SECONDS), "exit status")

    def test_signal_right_after_the_start(self):
        """The moment the socket accepts, a signal is for the daemon, not
        for a library's thread."""
        for number in range(6):
            process = self.postern.process
            process.send_signal(signal.SIGINT if number % 2
                                else signal.SIGTERM)
            self.want(0, process.wait(SECONDS), f"exit status {number}")
            self.postern.start()

    def test_reload_right_after_the_start(self):
        for _ in range(4):
            self.postern.restart()
            self.postern.hangup()
            self.want_served()

    def test_after_a_crash(self):
        self.want_served()
        self.postern.kill()
        self.assertTrue(os.path.exists(self.postern.socket))
        self.postern.start()
        self.want_served()

    def test_crash_with_messages_under_way(self):
        with self.bench.begun() as milter:
            milter.mail(f"<{LOGIN}>", login=LOGIN)
            self.postern.kill()
        self.postern.start()
        self.want_served()

    def test_second_daemon_is_refused(self):
        second = self.postern.spawn("-c", self.postern.file)
        try:
            status = second.wait(SECONDS)
        finally:
            if second.poll() is None:
                second.kill()
                second.wait()
        self.want(2, status, "exit status of the second daemon\n"
                  + tail(self.postern.log))
        self.assertIn(os.path.basename(self.postern.socket),
                      self.postern.text())
        self.want_served()

    def test_start_stop_start(self):
        for _ in range(3):
            self.postern.restart()
            self.want_served()

    def test_stop_while_busy(self):
        """Messages keep coming: each gets an answer or a lost connection,
        and the end comes all the same."""
        stopped = threading.Event()
        strange = []

        def keep_sending() -> None:
            while not stopped.is_set():
                try:
                    answer = self.bench.send(LOGIN, SENT, LOGIN)
                except (Gone, OSError):
                    continue
                if answer.name == "reply" and "451 4.3.2" not in answer.reply:
                    strange.append(str(answer))

        senders = [threading.Thread(target=keep_sending) for _ in range(4)]
        for sender in senders:
            sender.start()
        try:
            wait_until(lambda: self.postern.lines(event="message"),
                       "messages")
            process = self.postern.process
            process.send_signal(signal.SIGTERM)
            self.want(0, process.wait(SECONDS), "exit status")
        finally:
            stopped.set()
            for sender in senders:
                sender.join()
        self.want([], strange, "unexpected replies")


class InTheWay(Case):
    """What is already where the socket shall be."""

    def setUp(self):
        self.bench = Bench("way", {}, keys=(), start=False)
        self.addCleanup(self.bench.stop)

    def story(self):
        return self.bench.story()

    def refused(self) -> str:
        with self.assertRaises(ChildProcessError) as caught:
            self.bench.postern.start()
        return str(caught.exception)

    def test_a_file(self):
        path = self.bench.postern.socket
        with open(path, "w") as file:
            file.write("precious")
        self.assertIn("milter.sock", self.refused())
        with open(path) as file:
            self.want("precious", file.read(), "the file")

    def test_a_directory(self):
        os.mkdir(self.bench.postern.socket)
        self.assertIn("milter.sock", self.refused())

    def test_a_stale_socket(self):
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(self.bench.postern.socket)
        stale.close()
        # As the daemon's own user left it, when it crashed.
        os.chown(self.bench.postern.socket, self.bench.postern.user.pw_uid,
                 -1)
        self.bench.postern.start()
        self.assertTrue(self.bench.postern.is_running())

    def test_somebody_elses_living_socket(self):
        with socket.socket(socket.AF_UNIX) as living:
            living.bind(self.bench.postern.socket)
            os.chmod(self.bench.postern.socket, 0o777)
            living.listen()
            self.assertIn("milter.sock", self._refused_now())

    def _refused_now(self) -> str:
        """start() waits for a socket that accepts, and here one does."""
        process = self.bench.postern.spawn("-c", self.bench.postern.file)
        try:
            self.want(2, process.wait(SECONDS), "exit status")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return self.bench.postern.text()
