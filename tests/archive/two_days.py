"""What DuckDB and pyarrow find in the files below archive/alex, as JSON."""

import json
from glob import glob

import duckdb
import numpy
import pyarrow
import pyarrow.compute
import pyarrow.parquet

FILES = sorted(glob("archive/alex/**/*.parquet", recursive=True))
SOURCE = f"read_parquet({FILES!r})"


def ask_duckdb():
    groups = duckdb.sql(
        f"SELECT hostname, metric, count(*), sum(value::DOUBLE) FROM {SOURCE} WHERE cluster = 'alex' GROUP BY ALL"
    ).fetchall()
    series = duckdb.sql(
        f"SELECT timestamp, value::DOUBLE FROM {SOURCE} WHERE hostname = 'a0011' AND metric = 'thread_0'"
        " AND scope = 'hwthread' AND scope_id = '77' AND frequency = 60 ORDER BY timestamp"
    ).fetchall()
    times = duckdb.sql(f"SELECT min(timestamp), max(timestamp) FROM {SOURCE}").fetchall()[0]
    return {"groups": groups, "rows": sum(group[2] for group in groups), "series": series, "times": times}


def ask_pyarrow():
    """Reads the files row group by row group, as they lie there, and checks the order of their rows."""
    names = ["hostname", "metric", "scope", "scope_id"]
    groups = {}
    rows = 0
    first_unsorted = None
    for path in FILES:
        file = pyarrow.parquet.ParquetFile(path, read_dictionary=names)
        last = None
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=names + ["timestamp", "value"])
            rows += table.num_rows
            sums = table.group_by(["hostname", "metric"]).aggregate([("value", "count"), ("value", "sum")])
            for group in sums.to_pylist():
                found = groups.setdefault((group["hostname"], group["metric"]), [0, 0.0])
                found[0] += group["value_count"]
                found[1] += group["value_sum"]
            # Numbers in the order of the names' bytes, so that rows can be compared as numbers.
            order = numpy.zeros(table.num_rows, dtype=numpy.int64)
            columns = []
            for name in names:
                column = table[name].combine_chunks()
                column = column.chunk(0) if isinstance(column, pyarrow.ChunkedArray) else column
                texts = [text.encode() for text in column.dictionary.to_pylist()]
                rank = {text: place for place, text in enumerate(sorted(set(texts)))}
                ranks = numpy.array([rank[text] for text in texts], dtype=numpy.int64)
                order = order * (len(rank) + 1) + ranks[column.indices.to_numpy()]
                columns.append((texts, column.indices))
            times = table["timestamp"].to_numpy()
            same = order[1:] == order[:-1]
            unsorted = numpy.flatnonzero((order[1:] < order[:-1]) | (same & (times[1:] <= times[:-1])))

            def row(at):
                return [texts[indices[at].as_py()].decode() for texts, indices in columns] + [int(times[at])]

            if first_unsorted is None and len(unsorted):
                first_unsorted = [path, number, row(int(unsorted[0])), row(int(unsorted[0]) + 1)]
            if first_unsorted is None and last is not None and last >= row(0):
                first_unsorted = [path, number, last, row(0)]
            last = row(table.num_rows - 1)
    return {
        "groups": [[*names, *found] for names, found in groups.items()],
        "rows": rows,
        "first_unsorted": first_unsorted,
    }


print(json.dumps({"duckdb": ask_duckdb(), "pyarrow": ask_pyarrow()}))
