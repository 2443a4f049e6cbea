"""The processes: a store that can be killed and started again, and a nats-server."""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import time

PATIENCE_SECS = 90


class Failure(Exception):
    """The run cannot go on, and that is the store's fault."""


def free_port():
    """A port that no outgoing connection takes while the store is down: below the system's range for those."""
    for _ in range(1000):
        port = random.SystemRandom().randint(15000, 31000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise SystemExit("no free port")


def await_port(port, process, what):
    end = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            time.sleep(0.005)
    raise Failure(f"{what} does not listen on port {port}, exit code {process.poll()}")


class NatsServer:
    def __init__(self, folder, *options):
        self.port = free_port()
        program = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin")
        arguments = [program, "-a", "127.0.0.1", "-p", str(self.port), "-l", f"{folder}/nats.log", *options]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_port(self.port, self.process, "nats-server")

    def stop(self):
        self.process.kill()
        self.process.wait()


class NatsConnection:
    """Publishes, and waits until the server has what was published."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.input = self.socket.makefile("rb")
        self.input.readline()
        self.socket.sendall(b'CONNECT {"verbose":false}\r\n')

    def publish(self, subject, payloads):
        for payload in payloads:
            self.socket.sendall(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(payload), payload))
        self.socket.sendall(b"PING\r\n")
        while not (line := self.input.readline()).startswith(b"PONG"):
            if not line:
                raise OSError("nats-server closed the connection")
            if line.startswith(b"PING"):
                self.socket.sendall(b"PONG\r\n")


class Store:
    """A store's process over its lives; the directory and the port stay the same."""

    def __init__(self, binary, folder, config, environment=None):
        self.binary, self.folder = binary, folder
        self.port = free_port()
        config["main"] = {"addr": f"127.0.0.1:{self.port}"}
        self.checkpoints = os.path.join(folder, config["metric-store"]["checkpoints"]["directory"])
        os.makedirs(self.checkpoints, exist_ok=True)
        self.config = config
        self.set_format(config["metric-store"]["checkpoints"]["file-format"])
        self.process = None
        self.environment = environment
        # How long the last starts took, spawn to ready.
        self.start_secs = [0.1]

    def spawn(self):
        # Each life has a log of its own; the last few are enough.
        log_path = f"{self.folder}/store.log"
        if os.path.exists(log_path):
            os.replace(log_path, log_path + ".before")
        with open(log_path, "wb") as log:
            arguments = [self.binary, "-config", "config.json", "-loglevel", "info"]
            self.process = subprocess.Popen(
                arguments, cwd=self.folder, stdout=log, stderr=log, env=self.environment)
        self.spawned = time.monotonic()

    def await_ready(self):
        """Waits until the store answers queries. Who knows no `/-/ready` is ready when it listens."""
        while True:
            try:
                if self.request("GET", "/-/ready", timeout=5)[0] != 503:
                    break
            except (OSError, http.client.HTTPException):
                pass
            if self.process.poll() is not None:
                raise Failure(f"the store ended by itself at its start, exit code {self.process.returncode}")
            if time.monotonic() - self.spawned > PATIENCE_SECS:
                raise Failure(f"the store is not ready after {PATIENCE_SECS} s")
            time.sleep(0.004)
        self.start_secs = [*self.start_secs, time.monotonic() - self.spawned][-9:]

    def typical_start_secs(self):
        return statistics.median(self.start_secs)

    def kill(self):
        if self.process.poll() is not None:
            raise Failure(f"the store ended by itself, exit code {self.process.returncode}")
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """The normal end; answers how long it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE_SECS)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"the store does not end within {PATIENCE_SECS} s of SIGTERM") from error
        if code != 0:
            raise Failure(f"the store ended with {code} at SIGTERM")
        return time.monotonic() - begun

    def request(self, method, path, body=b"", timeout=PATIENCE_SECS):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def files(self):
        """Every file below the checkpoint directory."""
        return [os.path.join(folder, name) for folder, _, names in os.walk(self.checkpoints) for name in names]

    def temporary_files(self):
        """What a checkpoint is writing, or was writing when it was killed: paths with their inodes."""
        found = set()
        for path in self.files():
            if path.endswith(".tmp"):
                try:
                    found.add((path, os.stat(path).st_ino))
                except FileNotFoundError:
                    pass
        return found

    def set_format(self, form):
        """For the next start."""
        self.config["metric-store"]["checkpoints"]["file-format"] = form
        with open(f"{self.folder}/config.json", "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=1)

    def log_tail(self):
        with open(f"{self.folder}/store.log", "rb") as log:
            return log.read()[-3000:].decode("utf-8", "replace")
