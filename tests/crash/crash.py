#!/usr/bin/env python3
"""Kills a store with `kill -9` at random moments while it is written to, and reads every acknowledged sample back.

    crash.py [--kills 200] [--seed N] [--format native,wal,json] [--wal-sync interval,always] BINARY

Senders write over HTTP and NATS all the time: ticks of collectors with jitter, late samples, corrections, bodies of
many ticks, live data of each second, frees; a checkpoint runs every second. A sample counts as acknowledged when its body was
answered with 200, or, over plain NATS, which acknowledges nothing, when a read has shown it. Kills fall into the
writing, into checkpoints, and into starts. After a restart every slot that was touched since the last comparison is
read and compared, now and then and at the end all of them: the last acknowledged value or one sent after it, in the
right slot, and nothing where nothing was sent or where it was freed. The last end is a SIGTERM under load.

The kills are split between trials, one for each form and kind of flushing, each in a process of its own. The seed gives
the senders and the plan of the kills again, not the timing. Exit code 1 when anything is lost or wrong; then the
directory is kept, with `checkpoints.killed` as the last kill left it.

`--plain` is live data over HTTP alone, which cc-metric-store can take as well:

    crash.py --plain --go-on --format wal --kills 20 cc-metric-store
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import processes
from trial import Trial


def main():
    options = arguments()
    options.binary = os.path.abspath(options.binary)
    if not os.access(options.binary, os.X_OK):
        sys.exit(f"no program {options.binary}")
    # A SIGTERM runs what ends the processes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.trial:
        sys.exit(run_trial(options))
    sys.exit(run_all(options))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", metavar="BINARY", help="the store's program")
    parser.add_argument("--kills", type=int, default=200, help="in all trials together (200)")
    parser.add_argument("--seed", type=int, help="of the senders and the plan of the kills (a random one)")
    parser.add_argument("--format", default="native,wal,json", help="forms of checkpoints, also mixed: another one after each kill (native,wal,json)")
    parser.add_argument("--wal-sync", default="interval,always", help="kinds of flushing (interval,always)")
    parser.add_argument("--pause", type=float, default=0.012, help="mean seconds between two bodies of a sender")
    parser.add_argument("--jobs", type=int, default=3, help="trials at a time (3)")
    parser.add_argument("--folder", help="where the directories are made (the system's temporary one)")
    parser.add_argument("--plain", action="store_true", help="only what cc-metric-store can do")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first loss")
    parser.add_argument("--keep", action="store_true", help="keep the directories in any case")
    parser.add_argument("--sabotage", action="store_true", help="cut the logs after the last kill: must be found")
    parser.add_argument("--trial", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def run_trial(options):
    """One form and kind of flushing, in this process, in the folder that exists; its last line is its summary."""
    trial = Trial(options, options.folder)
    failure = None
    try:
        trial.run()
    except (processes.Failure, OSError) as error:
        failure = f"{type(error).__name__}: {error}, after kill {trial.kills}\n{trial.store.log_tail()}"
        traceback.print_exc()
    print("SUMMARY " + json.dumps({**trial.summary(), "failure": failure}), flush=True)
    return 1 if failure or trial.ledger.lost or trial.ledger.wrong else 0


def run_all(options):
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    syncs = ["-"] if options.plain else options.wal_sync.split(",")
    plan = [(form, sync) for sync in syncs for form in options.format.split(",")]
    print(f"crash: {options.kills} kills, seed {seed}, {os.path.basename(options.binary)}", flush=True)
    begun = time.monotonic()
    waiting = []
    for i, (form, sync) in enumerate(plan):
        kills = options.kills // len(plan) + (i < options.kills % len(plan))
        if kills:
            waiting.append(Child(options, seed, form, sync, kills))
    running, ended = [], []
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                running.append(waiting.pop(0))
                running[-1].start()
            for child in [child for child in running if child.process.poll() is not None]:
                running.remove(child)
                ended.append(child)
                child.report()
            time.sleep(0.02)
    finally:
        for child in running:
            child.process.terminate()
            child.process.wait()
    return total(ended, time.monotonic() - begun)


class Child:
    """A trial in a process of its own."""

    def __init__(self, options, seed, form, sync, kills):
        self.options, self.form, self.sync = options, form, sync
        self.folder = tempfile.mkdtemp(prefix=f"crash-{form}-{sync}-", dir=options.folder)
        self.command = [sys.executable, os.path.abspath(__file__), "--kills", str(kills), "--seed", str(seed),
                        "--format", form, "--wal-sync", sync, "--pause", str(options.pause)]
        flags = {"--plain": options.plain, "--go-on": options.go_on, "--sabotage": options.sabotage}
        self.command += [flag for flag, is_set in flags.items() if is_set]
        self.command.append(options.binary)
        self.summary = None

    def start(self):
        with open(f"{self.folder}/output", "wb") as self_output:
            self.process = subprocess.Popen([*self.command, "--trial", "--folder", self.folder],
                                            stdout=self_output, stderr=subprocess.STDOUT)

    def report(self):
        with open(f"{self.folder}/output", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        if lines and lines[-1].startswith("SUMMARY "):
            self.summary = json.loads(lines[-1].removeprefix("SUMMARY "))
        name = f"{self.form:6} wal-sync {self.sync:8}"
        if self.summary is None:
            print(f"{name}: the trial failed\n" + "\n".join(lines[-20:]))
        else:
            found = self.summary
            print(f"{name}: {found['kills']} kills {found['kinds']}, {found['unfinished_checkpoints']} with an "
                  f"unfinished checkpoint; {found['acknowledged']} acknowledged ({found['nats']} slots over NATS), "
                  f"{found['compared']} compared, {found['lost']} lost, {found['wrong']} wrong; "
                  f"ready in {found['start_secs']:.2f} s, {found['secs']:.0f} s")
            for status, text in found["refused"].items():
                print(f"  answered with {status}, for one: {text}")
            for complaint in [*found["complaints"][:20], *filter(None, [found["failure"]])]:
                print(f"  {complaint}")
        if (self.is_good() or self.options.sabotage) and not self.options.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"  kept: {self.folder}\n  again: {' '.join(self.command)}")
        sys.stdout.flush()

    def is_good(self):
        found = self.summary
        return found is not None and not (found["failure"] or found["lost"] or found["wrong"])


def total(children, secs):
    found = [child.summary for child in children if child.summary]
    add = lambda key: sum(one[key] for one in found)
    print(f"crash: {add('kills')} kills, {add('restarts')} restarts, {add('unfinished_checkpoints')} unfinished "
          f"checkpoints, {add('acknowledged')} acknowledged samples, {add('lost')} lost, {add('wrong')} wrong, "
          f"{secs:.0f} s")
    return 0 if children and all(child.is_good() for child in children) else 1


if __name__ == "__main__":
    main()
