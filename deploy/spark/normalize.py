"""Normalizes a directory of raw records on Spark: each task runs zoom-udm on a subset of the files.

    normalize.py BINARY INPUT OUTPUT REJECTS

All executors must be able to read INPUT under the same path, for example on a mounted share or bucket. Spark passes only
file names; zoom-udm reads the files itself and returns the events as lines. Each task writes its rejects to a new file in
the existing directory REJECTS. If Spark repeats a task, its rejects are written again.
"""

import pathlib
import shlex
import sys

from pyspark import SparkContext

# Exit code 1 means success with rejects. Any other non-zero code fails the task, and Spark retries it.
TASK = '"$0" normalize --summary none --rejects "$(mktemp "$1/XXXXXXXXXX.ndjson")" "${@:2}" || [ $? -eq 1 ]'


def main(binary, source, output, rejects):
    files = sorted(str(path) for path in pathlib.Path(source).rglob("*.json.gz"))
    spark = SparkContext(appName="zoom-udm")
    names = spark.parallelize(files, max(1, min(len(files), 4 * spark.defaultParallelism)))
    task = shlex.join(["xargs", "-r", "-d", "\\n", "bash", "-c", TASK, binary, rejects])
    names.pipe(task, checkCode=True).saveAsTextFile(output)
    spark.stop()


main(*sys.argv[1:])
