"""One trial: a store of one form, its live senders, kills, and a comparison after each."""

import os
import random
import shutil
import threading
import time

import model
import processes
import reading
import senders

DAY_SECS = 86_400


class Trial:
    """Runs `kills` kills; `summary` says what came of it."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.seed = f"{options.seed} {options.format} {options.wal_sync}"
        self.random = random.Random(self.seed)
        self.pause_secs = options.pause
        self.ledger = model.Ledger()
        # Changed only while no process runs, under its lock.
        self.process_number = 0
        self.process_lock = threading.Lock()
        self.kinds = {"start": 0, "write": 0, "checkpoint": 0}
        # Checkpoints that a kill found at work, and the files that it left.
        self.unfinished = 0
        self.left = set()
        self.kills = 0
        self.starts = 0
        self.term_secs = None
        self.begun = time.monotonic()
        self.next_report_secs = 10

        self.nats = processes.NatsServer(folder)
        self.store = processes.Store(options.binary, folder, self.config())
        self.hosts = self.make_hosts()
        self.senders = self.make_senders()

    def config(self):
        store = {
            "checkpoints": {"directory": "checkpoints", "file-format": self.form()},
            "checkpoint-interval": "1s",
            "retention-in-memory": "8760h",
            "memory-cap": 4,
            "cleanup": {"mode": "delete"},
            "nats-subscriptions": [{"subscribe-to": "crash.lines"}],
        }
        # Not every store knows it; `-` leaves it out.
        if self.options.wal_sync != "-":
            store["wal-sync"] = self.options.wal_sync
        metric = lambda frequency: {"frequency": frequency, "aggregation": "sum"}
        metrics = {name: metric(10) for name in ("load", "flops", "rare", "seldom", "bytes")}
        metrics |= {"power": metric(60), "watts": metric(60), "live": metric(1)}
        return {"nats": {"address": f"nats://127.0.0.1:{self.nats.port}"}, "metrics": metrics, "metric-store": store}

    def form(self):
        """The form of the checkpoints; `mixed` is another one after each restart."""
        return self.random.choice(["native", "wal", "json"]) if self.options.format == "mixed" else self.options.format

    def make_hosts(self):
        """Hosts by who sends for them."""
        level = lambda kind, number: {"type": kind, "type-id": str(number)}
        now = int(time.time())
        live = [model.Host("live", f"l{i}", self.seed, now + 1, [("live", level("core", c), 1, 1) for c in range(4)])
                for i in range(60 if self.options.plain else 4)]
        if self.options.plain:
            return {"live": live}
        # Each metric at one level only: a level that holds nothing itself answers by those below it.
        collected = [("load", {}, 10, 0.98), ("power", {}, 60, 0.98), ("rare", {}, 10, 0.02)]
        collected += [("flops", level("hwthread", i), 10, 0.97) for i in range(4)]
        collected += [("watts", level("socket", i), 60, 0.97) for i in range(2)]
        collected += [("seldom", level("hwthread", i), 10, 0.02) for i in range(2)]
        collected += [("bytes", {"stype": "network", "stype-id": name}, 10, 0.97) for name in ("eth0", "ib0")]
        # Collectors that send what they sampled in the past, faster than it came: each with a clock of its own.
        past = lambda i: (now - 60 * DAY_SECS + i * 7 * 3600 + self.random.randint(0, 599)) // 60 * 60 + i
        hosts = lambda prefix, count, offset: [
            model.Host("crash", f"{prefix}{i}", self.seed, past(offset + i), collected) for i in range(count)]
        return {"http": [hosts(f"h{i}n", 4, 4 * i) for i in range(2)], "free": hosts("f", 3, 20),
                "nats": hosts("n", 3, 30), "live": live}

    def make_senders(self):
        made = [senders.LiveSender(self, "live", self.hosts["live"], False)]
        if not self.options.plain:
            made += [senders.HttpSender(self, f"http{i}", hosts, False) for i, hosts in enumerate(self.hosts["http"])]
            made.append(senders.HttpSender(self, "free", self.hosts["free"], True))
            made.append(senders.NatsSender(self, "nats", self.hosts["nats"], self.nats.port))
        return made

    def run(self):
        try:
            self.spawn()
            for sender in self.senders:
                sender.start()
            self.store.await_ready()
            self.release()
            while self.kills < self.options.kills:
                self.kill_once()
                if self.ledger.lost + self.ledger.wrong > 0 and not self.options.go_on:
                    break
            if self.ledger.lost + self.ledger.wrong == 0 or self.options.go_on:
                self.finish()
        finally:
            for sender in self.senders:
                sender.end()
            if self.store.process and self.store.process.poll() is None:
                self.store.process.kill()
                self.store.process.wait()
            self.nats.stop()

    def kill_once(self):
        """Kills the running store at some moment, and starts it again."""
        kind = self.random.choices(["write", "checkpoint", "start"], [0.4, 0.35, 0.25])[0]
        if kind == "start":
            # At the same time as a restart that nothing waits for, so that senders knock on a recovering store.
            self.kill("write", self.random.random() * 0.3)
            if self.kills == self.options.kills:
                self.restart()
                return
            self.spawn()
            self.kill("start", self.random.random() * 1.3 * self.store.typical_start_secs())
        elif kind == "checkpoint":
            self.await_checkpoint(2.5)
            self.kill("checkpoint", self.random.random() ** 2 * 0.08)
        else:
            self.kill("write", self.random.random() * 0.9)
        self.restart()

    def await_checkpoint(self, patience_secs):
        """Returns when files of a checkpoint are being written."""
        end = time.monotonic() + patience_secs
        while time.monotonic() < end and not self.store.temporary_files() - self.left:
            time.sleep(0.001)

    def kill(self, kind, delay_secs):
        time.sleep(delay_secs)
        with self.process_lock:
            self.store.kill()
            self.process_number += 1
        self.kills += 1
        self.kinds[kind] += 1
        left = self.store.temporary_files()
        self.unfinished += bool(left - self.left)
        self.left = left
        self.check_senders()
        if time.monotonic() - self.begun > self.next_report_secs:
            self.next_report_secs = time.monotonic() - self.begun + 10
            self.say(f"{self.kills} of {self.options.kills} kills, {self.ledger.acknowledged} acknowledged, "
                     f"{self.ledger.lost} lost, {self.ledger.wrong} wrong")

    def restart(self):
        """Starts the store again, and mostly compares what it holds with the books."""
        compares = self.random.random() < 0.85 or self.kills >= self.options.kills
        if compares:
            self.hold()
        self.keep_files()
        self.spawn()
        self.store.await_ready()
        if compares:
            # The senders' connections are idle, and nothing is in flight but NATS messages.
            self.compare(f"after kill {self.kills}", everything=self.random.random() < 0.1)
            self.release()

    def keep_files(self):
        """A copy of what the kill left: a start changes it."""
        if self.options.sabotage and self.kills == self.options.kills:
            self.sabotage()
        kept = os.path.join(self.folder, "checkpoints.killed")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.store.checkpoints, kept)

    def sabotage(self):
        """Takes the end of every log away, as a store would that acknowledges before it writes."""
        for path in self.store.files():
            if path.endswith((".log", "current.wal")):
                os.truncate(path, os.path.getsize(path) // 2)

    def spawn(self):
        if self.options.format == "mixed" and self.starts:
            self.store.set_format(self.form())
        self.store.spawn()
        self.starts += 1

    def finish(self):
        """All that was acknowledged, once more; then a normal end under load, and once more."""
        self.hold()
        self.compare("at the end", everything=True)
        self.release()
        time.sleep(0.5)
        with self.process_lock:
            self.term_secs = self.store.terminate()
            self.process_number += 1
        self.hold()
        self.keep_files()
        self.spawn()
        self.store.await_ready()
        self.compare("after SIGTERM", everything=True)

    def hold(self):
        for sender in self.senders:
            sender.open.clear()
        for sender in self.senders:
            sender.hold()
        self.check_senders()

    def release(self):
        for sender in self.senders:
            sender.go_on()

    def check_senders(self):
        for sender in self.senders:
            if sender.error:
                raise sender.error

    def compare(self, when, everything):
        """Reads what changed since the last comparison, or everything, and judges each slot."""
        ranges = []
        for series in (series for sender in self.senders for host in sender.hosts for series in host.series):
            slots = series.slots if everything else series.touched
            if slots:
                ranges.append((series, min(slots), max(slots)))
            series.touched = set()
        found = reading.read(self.store, ranges)
        self.settle_frees(ranges, found)
        for (series, first, last), values in zip(ranges, found):
            freed = series.host.freed_secs
            for slot in {*range(first - 1, last + 2), *values}:
                is_freed = freed is not None and series.host.start_secs + slot * series.frequency_secs < freed
                if first <= slot <= last or slot in values and slot not in series.slots:
                    self.ledger.judge(series, slot, values.get(slot), self.process_number, is_freed, when)

    def settle_frees(self, ranges, found):
        """A free that was not answered is done wholly or not at all: what was read tells which."""
        for host in {series.host for series, _, _ in ranges if series.host.freed_perhaps_secs is not None}:
            end, host.freed_perhaps_secs = host.freed_perhaps_secs, None
            # All of the host, for what was read may not reach back.
            spans = [(series, min(series.slots), max(series.slots)) for series in host.series if series.slots]
            for (series, _, _), values in zip(spans, reading.read(self.store, spans)):
                for slot, cell in series.slots.items():
                    second = host.start_secs + slot * series.frequency_secs
                    is_between = (host.freed_secs or 0) <= second < end
                    if is_between and cell.acknowledged is not None and slot not in values:
                        host.freed_secs = end

    def say(self, text):
        print(f"[{self.options.format:6} {self.options.wal_sync:8} {time.monotonic() - self.begun:5.0f} s] {text}",
              flush=True)

    def summary(self):
        refused = {}
        for sender in self.senders:
            refused.update(getattr(sender, "refused", {}))
        return {
            "kills": self.kills, "kinds": self.kinds, "unfinished_checkpoints": self.unfinished,
            "restarts": self.starts - 1, "acknowledged": self.ledger.acknowledged,
            "sent": len(self.ledger.sent), "compared": self.ledger.checked, "lost": self.ledger.lost,
            "wrong": self.ledger.wrong, "complaints": self.ledger.complaints,
            "nats": sum(1 for host in self.hosts.get("nats", []) for series in host.series
                        for slot in series.slots.values() if slot.acknowledged is not None),
            "refused": {str(status): text.decode("utf-8", "replace") for status, text in refused.items()},
            "start_secs": self.store.typical_start_secs(), "term_secs": self.term_secs,
            "secs": time.monotonic() - self.begun,
        }
