"""Normalizes a directory of raw records on Spark: the same program, a share of the files to each task.

    normalize.py BINARY INPUT OUTPUT REJECTS

INPUT is where every executor finds it under the same name: a mounted share or bucket, or this machine. Only names go
through Spark, so the program reads each file itself, byte for byte; events come back as lines. The rejects of each task
are a file in REJECTS, which is there already; a task that Spark runs again leaves its rejects again.
"""

import pathlib
import shlex
import sys

from pyspark import SparkContext

# Exit code 1: done, with rejects. Any other fails the task, and Spark tries it again.
TASK = '"$0" normalize --summary none --rejects "$(mktemp "$1/XXXXXXXXXX.ndjson")" "${@:2}" || [ $? -eq 1 ]'


def main(binary, source, output, rejects):
    files = sorted(str(path) for path in pathlib.Path(source).rglob("*.json.gz"))
    spark = SparkContext(appName="zoom-udm")
    names = spark.parallelize(files, max(1, min(len(files), 4 * spark.defaultParallelism)))
    task = shlex.join(["xargs", "-r", "-d", "\\n", "bash", "-c", TASK, binary, rejects])
    names.pipe(task, checkCode=True).saveAsTextFile(output)
    spark.stop()


main(*sys.argv[1:])
