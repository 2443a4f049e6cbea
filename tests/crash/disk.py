#!/usr/bin/env python3
"""A real disk in trouble: full, and a checkpoint directory that is moved away and back under a running store.

    disk.py [--format native,wal,json] BINARY

Writes must get 503 with the reason, and nothing of what was refused may be there; reads go on; the store heals without
a restart; and after `kill -9` all that was acknowledged is there. The full disk is a tmpfs of 4 MiB: without the right
to mount, that part says SKIPPED.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

import model
import processes
import reading

DISK_BYTES = 4 << 20
HOSTS = 20


class Bench:
    """A store with a few hosts, written to one body a host."""

    def __init__(self, binary, form, folder):
        config = {
            "metrics": {"load": {"frequency": 10, "aggregation": "sum"}},
            "metric-store": {
                "checkpoints": {"directory": "disk/checkpoints", "file-format": form},
                "checkpoint-interval": "1h", "retention-in-memory": "8760h", "memory-cap": 4,
                "cleanup": {"mode": "delete"},
            },
        }
        self.store = processes.Store(binary, folder, config)
        self.ledger = model.Ledger()
        start = int(time.time()) // 60 * 60 - 30 * 86_400
        threads = [("load", {"type": "hwthread", "type-id": str(i)}, 10, 1) for i in range(8)]
        self.hosts = [model.Host("crash", f"d{i}", "disk", start, threads) for i in range(HOSTS)]
        self.refused = []

    def start(self):
        self.store.spawn()
        self.store.await_ready()

    def write(self, host, ticks=20):
        """Posts a body of one host; answers status and text."""
        pairs = [self.ledger.send(series, host.next_slot + tick, 0) for tick in range(ticks) for series in host.series]
        host.next_slot += ticks
        lines, sent = "\n".join(line for line, _ in pairs), [what for _, what in pairs]
        status, text = self.store.request("POST", "/api/write", lines.encode())
        if status == 200:
            self.ledger.acknowledge(sent)
        else:
            # All or nothing: a body of one host is one record.
            for series, slot, _ in sent:
                series.slots[slot].pending.clear()
            self.refused.append((status, text.decode("utf-8", "replace")))
        return status, text

    def write_until(self, wanted, what, secs=30):
        """Writes to all hosts until an answer has this status; answers the text."""
        end = time.monotonic() + secs
        while time.monotonic() < end:
            for host in self.hosts:
                status, text = self.write(host)
                if status == wanted:
                    return text.decode("utf-8", "replace")
                require(status in (200, 503), f"{what}: a write was answered with {status}: {text[:200]}")
            if wanted == 200:
                time.sleep(0.1)
        raise processes.Failure(f"{what}: no write was answered with {wanted} within {secs} s")

    def check(self, when):
        ranges = [(series, 0, host.next_slot) for host in self.hosts for series in host.series]
        for (series, first, last), values in zip(ranges, reading.read(self.store, ranges)):
            for slot in range(first, last + 1):
                self.ledger.judge(series, slot, values.get(slot), 0, False, when)
        require(not self.ledger.complaints, "\n".join(self.ledger.complaints[:10]))

    def check_after_kill(self, when):
        self.store.kill()
        self.start()
        self.check(f"{when}, after kill -9")


def require(is_so, complaint):
    if not is_so:
        raise processes.Failure(complaint)


def fill(disk, spared_bytes):
    """Fills a disk but for so many bytes; answers the file to remove."""
    filler = f"{disk}/filler"
    with open(filler, "wb") as file:
        room = os.statvfs(disk)
        file.write(b"\0" * max(0, room.f_bavail * room.f_frsize - spared_bytes))
    return filler


def full_disk(bench, disk):
    bench.start()
    bench.write_until(200, "at first")
    filler = fill(disk, 200 << 10)
    reason = bench.write_until(503, "on a full disk")
    require("No space left" in reason, f"503 without its reason: {reason}")
    for host in bench.hosts:
        bench.write(host)
    bench.check("on a full disk")
    os.remove(filler)
    bench.write_until(200, "when there is room again")
    for host in bench.hosts:
        status, text = bench.write(host)
        require(status == 200, f"healed, and yet {status}: {text[:200]}")
    bench.check("when there is room again")
    bench.check_after_kill("when there was room again")


def full_disk_and_a_kill(bench, disk):
    """The process is killed while the disk is full, and starts on the full disk."""
    bench.start()
    bench.write_until(200, "at first")
    filler = fill(disk, 100 << 10)
    bench.write_until(503, "on a full disk")
    bench.check_after_kill("on a full disk")
    for host in bench.hosts:
        bench.write(host)
    bench.check("on a full disk, after a start")
    os.remove(filler)
    bench.write_until(200, "when there is room again")
    bench.check_after_kill("when there was room again")


def moved_away(bench, _):
    """Logs that are open may be written on where they are; what can't be is refused."""
    bench.start()
    bench.write_until(200, "at first")
    away = bench.store.checkpoints + ".away"
    os.rename(bench.store.checkpoints, away)
    bench.hosts += [model.Host("crash", f"new{i}", "disk", bench.hosts[0].start_secs,
                               [("load", {"type": "hwthread", "type-id": "0"}, 10, 1)]) for i in range(40)]
    for _ in range(3):
        for host in bench.hosts:
            bench.write(host, ticks=2)
    bench.check("moved away")
    require(not os.path.exists(bench.store.checkpoints), "a new directory is where the old one belongs")
    os.rename(away, bench.store.checkpoints)
    bench.write_until(200, "moved back")
    for host in bench.hosts:
        status, text = bench.write(host)
        require(status == 200, f"moved back, and yet {status}: {text[:200]}")
    bench.check("moved back")
    bench.check_after_kill("moved back")


def can_mount():
    folder = tempfile.mkdtemp()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode == 0:
        subprocess.run(["umount", folder], check=True)
    os.rmdir(folder)
    return done.returncode == 0


def run(binary, form, case, mounts):
    folder = tempfile.mkdtemp(prefix=f"crash-disk-{form}-")
    disk = f"{folder}/disk"
    os.makedirs(disk)
    if mounts:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", disk], check=True)
    bench, is_good = None, False
    try:
        bench = Bench(binary, form, folder)
        case(bench, disk)
        is_good = True
        print(f"{form:6} {case.__name__}: {bench.ledger.acknowledged} acknowledged, {len(bench.refused)} bodies "
              f"refused, {bench.ledger.lost} lost, {bench.ledger.wrong} wrong", flush=True)
    except processes.Failure as failure:
        print(f"{form:6} {case.__name__}: FAILED: {failure}\n{bench.store.log_tail()[-1500:]}", flush=True)
    finally:
        if bench and bench.store.process and bench.store.process.poll() is None:
            bench.store.process.kill()
            bench.store.process.wait()
        if mounts:
            subprocess.run(["umount", disk], check=True)
        shutil.rmtree(folder, ignore_errors=True)
    return is_good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", metavar="BINARY")
    parser.add_argument("--format", default="native,wal,json")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    cases = [(moved_away, False)]
    if can_mount():
        cases += [(full_disk, True), (full_disk_and_a_kill, True)]
    else:
        print("SKIPPED: the full disk (no right to mount a small file system)")
    good = [run(binary, form, case, mounts) for form in options.format.split(",") for case, mounts in cases]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
