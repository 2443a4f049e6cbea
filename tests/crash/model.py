"""What was sent and acknowledged, slot by slot, and the judgement of what is read.

A slot of a series holds the last acknowledged value and, in the order of sending, what was sent since and not
acknowledged. A read must show one of them: the acknowledged one or a later one; nothing only where nothing was ever
acknowledged. After a restart a read settles the slot: what it did not show must never come back.
"""

import itertools
import random
import threading

# Values are eighths of whole numbers below 2^24: exact as float32 and with three decimals, so that each value of a
# run is another and a value in the wrong place shows whose it is.
SENT_MAX = 1 << 24


class Slot:
    """One cell of one series."""

    __slots__ = ("acknowledged", "pending")

    def __init__(self):
        self.acknowledged = None
        # (value, number of the process that it was sent to), oldest first.
        self.pending = []


class Series:
    """A metric at a level of one host."""

    def __init__(self, host, metric, level, frequency_secs, chance):
        self.host, self.metric, self.level = host, metric, level
        self.frequency_secs = frequency_secs
        # How probable it is that a tick has a value of it.
        self.chance = chance
        self.slots = {}
        # Slots that changed since the last check.
        self.touched = set()

    def __str__(self):
        return f"{self.host.cluster}/{self.host.name} {self.metric} {dict(self.level)}"

    def tags(self):
        level = {"type": "node", **self.level}
        return ",".join(f"{name}={value}" for name, value in level.items())


class Host:
    """A sender with a clock of its own; its series belong to one thread."""

    def __init__(self, cluster, name, seed, start_secs, series):
        self.cluster, self.name, self.seed = cluster, name, seed
        # The centre of slot 0 of every frequency.
        self.start_secs = start_secs
        self.series = [Series(self, *one) for one in series]
        self.next_slot = 0
        # Slots of the shortest frequency before which everything was freed, or may have been.
        self.freed_secs = None
        self.freed_perhaps_secs = None

    def second(self, slot, frequency_secs):
        """When the host sampled this slot: a jitter of up to a tenth of the frequency, the same at each call."""
        width = frequency_secs // 10
        # The first sample of a series sets its phase.
        jitter = random.Random(f"{self.seed} {self.name} {slot}").randint(-width, width) if width and slot else 0
        return self.start_secs + slot * frequency_secs + jitter

    def may_be_freed(self, series, slot):
        """Whether a slot lies before what was freed or may have been."""
        ends = [end for end in (self.freed_secs, self.freed_perhaps_secs) if end is not None]
        return bool(ends) and self.start_secs + slot * series.frequency_secs < max(ends)


class Ledger:
    """The books of one run."""

    def __init__(self):
        self.numbers = itertools.count(1)
        # By number: series and slot.
        self.sent = {}
        self.lock = threading.Lock()
        self.acknowledged = 0
        self.lost = 0
        self.wrong = 0
        self.complaints = []
        self.checked = 0

    def send(self, series, slot, process):
        """A new value for a slot, noted as pending; answers its line."""
        number = next(self.numbers)
        if number >= SENT_MAX:
            raise SystemExit(f"more than {SENT_MAX} samples: fewer kills or a longer --pause, please")
        value = number / 8
        self.sent[number] = (series, slot)
        series.slots.setdefault(slot, Slot()).pending.append((value, process))
        series.touched.add(slot)
        second = series.host.second(slot, series.frequency_secs)
        host = series.host
        line = f"{series.metric},cluster={host.cluster},hostname={host.name},{series.tags()} value={value} {second}"
        return line, (series, slot, value)

    def send_again(self, sent, process):
        """The same values once more: they may be there already, or come now."""
        for series, slot, value in sent:
            series.slots.setdefault(slot, Slot()).pending.append((value, process))
            series.touched.add(slot)

    def acknowledge(self, sent):
        """Everything of a body is stored: 200."""
        for series, slot, value in sent:
            cell = series.slots[slot]
            cell.acknowledged = value
            # One sender, one request at a time: what is pending before this one is older.
            places = [i for i, (pending, _) in enumerate(cell.pending) if pending == value]
            if places:
                del cell.pending[:places[-1] + 1]
        with self.lock:
            self.acknowledged += len(sent)

    def shown(self, series, slot, value):
        """A read showed a value that is pending: it and what came before it are settled. Answers whether it was."""
        cell = series.slots[slot]
        places = [i for i, (pending, _) in enumerate(cell.pending) if pending == value]
        if not places:
            return False
        cell.acknowledged = value
        del cell.pending[:places[0] + 1]
        with self.lock:
            self.acknowledged += 1
        return True

    def judge(self, series, slot, got, process, freed, when):
        """Compares what was read of a slot after a restart with the books, and settles it."""
        self.checked += 1
        cell = series.slots.get(slot)
        if freed:
            if got is not None:
                self.complain("wrong", series, slot, "nothing, for it was freed", got, when)
            if cell is not None:
                del series.slots[slot]
            return
        if cell is None:
            if got is not None:
                self.complain("wrong", series, slot, "nothing, for nothing was sent", got, when)
            return
        if got is None and cell.acknowledged is not None:
            self.complain("lost", series, slot, cell.acknowledged, got, when)
            # Counted once.
            cell.acknowledged = None
        elif got is not None and got != cell.acknowledged and not self.shown(series, slot, got):
            expected = [cell.acknowledged, *(value for value, _ in cell.pending)]
            self.complain("wrong", series, slot, expected, got, when)
            cell.acknowledged = got
        # What was sent to a process that is dead and is not there now must stay away.
        cell.pending = [(value, to) for value, to in cell.pending if to >= process]
        if cell.acknowledged is None and not cell.pending:
            del series.slots[slot]

    def complain(self, kind, series, slot, expected, got, when):
        with self.lock:
            if kind == "lost":
                self.lost += 1
            else:
                self.wrong += 1
            if len(self.complaints) < 50:
                second = series.host.second(slot, series.frequency_secs)
                text = f"{kind}: {series} slot {slot} (sent at {second}): expected {expected}, got {got}, {when}"
                owner = self.sent.get(round(got * 8)) if got is not None else None
                if owner and owner != (series, slot):
                    text += f"; that is the value of {owner[0]} slot {owner[1]}"
                self.complaints.append(text)
