"""The live senders: threads that write over HTTP and NATS, whatever happens to the store."""

import http.client
import random
import threading
import time

import processes
import reading


class Sender(threading.Thread):
    """What all senders have in common: hosts of their own, and a gate that holds them while books are compared."""

    def __init__(self, trial, name, hosts):
        super().__init__(name=name, daemon=True)
        self.trial, self.hosts = trial, hosts
        self.random = random.Random(f"{trial.seed} {name}")
        self.open = threading.Event()
        self.held = threading.Event()
        self.ended = False
        self.error = None

    def run(self):
        try:
            while not self.ended:
                if not self.open.is_set():
                    self.held.set()
                    self.open.wait(0.2)
                    continue
                self.held.clear()
                self.step()
        except BaseException as error:  # whatever it is, the trial ends with it
            self.error = error
            self.held.set()
            raise

    def hold(self):
        """Returns when nothing of this sender is under way."""
        self.open.clear()
        while not self.held.wait(0.1):
            if self.error:
                raise self.error

    def go_on(self):
        # In this order: who asks for a hold again must not see the old one.
        self.held.clear()
        self.open.set()

    def end(self):
        self.ended = True
        self.open.clear()

    def tick(self, host, wants_extras=True):
        """The next tick of a host, with some late samples and corrections; answers (line, what was sent) pairs."""
        ledger, draw, process = self.trial.ledger, self.random, self.trial.process_number
        sent = []
        tick = host.next_slot
        host.next_slot += 1
        shortest = min(series.frequency_secs for series in host.series)
        for series in host.series:
            slot, rest = divmod(tick * shortest, series.frequency_secs)
            # A skipped slot is a hole that a late sample may fill.
            if rest == 0 and draw.random() < series.chance:
                sent.append(ledger.send(series, slot, process))
            if wants_extras and tick > 2 and draw.random() < 0.03:
                # An older slot: filled late, or corrected. Mostly a young one; slots before the first are late too.
                oldest = -min(50, slot) if draw.random() < 0.1 else max(-20, slot - draw.choice([5, 70, 700]))
                late = draw.randint(oldest, max(oldest, slot - 1))
                if not host.may_be_freed(series, late):
                    sent.append(ledger.send(series, late, process))
        return sent


class HttpSender(Sender):
    """Posts bodies. What is answered with 200 is acknowledged; all else may or may not be there."""

    def __init__(self, trial, name, hosts, frees):
        super().__init__(trial, name, hosts)
        self.connection = None
        self.retried = None
        self.frees = frees
        self.refused = {}

    def step(self):
        if self.retried and self.random.random() < 0.7:
            # A collector that got no answer sends the same again.
            lines, sent = self.retried
            self.trial.ledger.send_again(sent, self.trial.process_number)
        else:
            pairs = []
            ticks = self.random.choice([1] * 14 + [8, 60])
            for host in self.random.sample(self.hosts, self.random.randint(1, len(self.hosts))):
                for _ in range(ticks):
                    pairs.extend(self.tick(host))
            if not pairs:
                return
            lines, sent = [line for line, _ in pairs], [what for _, what in pairs]
        self.retried = None
        status = self.post("/api/write", "\n".join(lines).encode())
        if status == 200:
            self.trial.ledger.acknowledge(sent)
        else:
            self.retried = lines, sent
            if status is None:
                time.sleep(0.01)
        if status == 200 and self.frees and self.random.random() < 0.02:
            self.free(self.random.choice(self.hosts))
        time.sleep(self.random.random() * 2 * self.trial.pause_secs)

    def free(self, host):
        """Frees a part of a host's past. Until it is answered the data may be there or not."""
        shortest = min(series.frequency_secs for series in host.series)
        tick = max(0, host.next_slot - self.random.randint(100, 400)) * shortest // 60 * 60
        # Between two slots of every frequency, jitter and all.
        end = host.start_secs + tick - 25
        if end <= (host.freed_secs or host.start_secs):
            return
        host.freed_perhaps_secs = end
        if self.post(f"/api/free/?to={end}", f'[["{host.cluster}","{host.name}"]]'.encode()) == 200:
            host.freed_secs, host.freed_perhaps_secs = end, None

    def post(self, path, body):
        """The status, or `None` when there was no answer."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.trial.store.port, timeout=75)
            self.connection.request("POST", path, body=body)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            return None
        if answer.status != 200:
            self.refused[answer.status] = text[:200]
        return answer.status


class LiveSender(HttpSender):
    """Posts a tick of all its hosts each second, at the time that it is."""

    def step(self):
        now = int(time.time())
        behind = [host for host in self.hosts if host.start_secs + host.next_slot <= now]
        if not behind and not self.retried:
            time.sleep(0.02)
            return
        if not self.retried:
            pairs = [pair for host in behind for pair in self.tick(host, wants_extras=False)]
            lines, sent = [line for line, _ in pairs], [what for _, what in pairs]
        else:
            lines, sent = self.retried
            self.trial.ledger.send_again(sent, self.trial.process_number)
        if self.post("/api/write", "\n".join(lines).encode()) == 200:
            self.retried = None
            self.trial.ledger.acknowledge(sent)
        else:
            self.retried = lines, sent
            time.sleep(0.02)


class NatsSender(Sender):
    """Publishes messages. Plain NATS acknowledges nothing: what a read has shown counts as acknowledged."""

    def __init__(self, trial, name, hosts, nats_port):
        super().__init__(trial, name, hosts)
        self.connection = processes.NatsConnection(nats_port)
        self.unseen = []

    def step(self):
        for _ in range(self.random.randint(1, 4)):
            # No process is replaced by another between the note of its number and the server's receipt.
            with self.trial.process_lock:
                payloads = []
                for _ in range(self.random.randint(1, 5)):
                    host = self.random.choice(self.hosts)
                    pairs = self.tick(host, self.random.random() < 0.5)
                    self.unseen.extend(what for _, what in pairs)
                    if pairs:
                        payloads.append("\n".join(line for line, _ in pairs).encode())
                self.connection.publish("crash.lines", payloads)
            time.sleep(self.random.random() * 2 * self.trial.pause_secs)
        self.look()

    def look(self):
        """Acknowledges what a read shows."""
        # What went to a process that is dead is settled by the comparison after the restart.
        number = self.trial.process_number
        self.unseen = [(series, slot, value) for series, slot, value in self.unseen
                       if slot in series.slots and (value, number) in series.slots[slot].pending]
        spans = {}
        for series, slot, _ in self.unseen:
            first, last = spans.get(series, (slot, slot))
            # A late sample may lie far back; it is read with the next comparison.
            if max(last, slot) - min(first, slot) < 2000:
                spans[series] = (min(first, slot), max(last, slot))
        try:
            found = reading.read(self.trial.store, [(series, *span) for series, span in spans.items()])
        except (OSError, http.client.HTTPException):
            return
        for series, values in zip(spans, found):
            for slot in {slot for other, slot, _ in self.unseen if other is series and slot in series.slots}:
                if slot in values:
                    self.trial.ledger.shown(series, slot, values[slot])

