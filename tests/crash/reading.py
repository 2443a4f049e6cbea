"""Reading series back, through the API that cc-backend uses."""

import json

# Series of one request.
SERIES_MAX = 400


def read(store, ranges):
    """Reads series; `ranges` holds (series, first slot, last slot). Answers, for each, its values by slot."""
    answers = []
    by_request = {}
    for index, (series, first, last) in enumerate(ranges):
        begin = series.host.start_secs + first * series.frequency_secs
        # A slot more at both ends: values that nobody sent are to be seen too.
        window = (series.host.cluster, begin - series.frequency_secs,
                  series.host.start_secs + (last + 2) * series.frequency_secs)
        by_request.setdefault(window, []).append((index, series))
        answers.append({})
    for (cluster, begin, end), wanted in by_request.items():
        for start in range(0, len(wanted), SERIES_MAX):
            piece = wanted[start:start + SERIES_MAX]
            queries = [query(series) for _, series in piece]
            body = json.dumps({"cluster": cluster, "from": begin, "to": end, "with-stats": False,
                               "with-padding": False, "queries": queries})
            status, answer = store.request("GET", "/api/query", body.encode())
            if status != 200:
                raise OSError(f"a query was answered with {status}: {answer[:200]}")
            for (index, series), entries in zip(piece, json.loads(answer)["results"]):
                if entries and entries[0].get("data"):
                    answers[index] = values(series, entries[0])
    return answers


def query(series):
    level = series.level
    asked = {"metric": series.metric, "host": series.host.name, "aggreg": False}
    if "type" in level:
        asked.update({"type": level["type"], "type-ids": [level["type-id"]]})
    if "stype" in level:
        asked.update({"subtype": level["stype"], "subtype-ids": [level["stype-id"]]})
    return asked


def values(series, entry):
    """By slot: the one whose centre is nearest, for a phase may be off by a second."""
    frequency = series.frequency_secs
    shift = entry["from"] - series.host.start_secs + frequency // 2
    first = shift // frequency
    return {first + i: value for i, value in enumerate(entry["data"]) if value is not None}
