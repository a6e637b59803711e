"""Writes recorded.tsv: what croniter says of expressions, in UTC.

Run: python -m venv v && v/bin/pip install croniter==7.0.0 && v/bin/python recorded.py > recorded.tsv
"""

import random
from datetime import datetime, timezone

from croniter import croniter

random.seed(20240229)
known = """* * * * *|*/7 * * * *|5/15 * * * *|0 0 * * L5|0 0 L * *|0 0 * * 5#2|0 0 * * fri#2|0 22-2 * * *|0 22-2/2 * * *
0 0 * * 5-7|0 0 * * 7|0 0 * * sat-mon|0 0 */2 * 1|0 0 ? * 1|0 0 1 * ?|0 0 15,L * *|0 0 29 2 *|0 0 1-7 * 1|0 0 * jan-mar,DEC *
0 0 * nov-feb *|0 0 * * 0-7|0 0 * * 1-7/2|0 0 30-2 * *|59 23 31 12 *|0 */3 * * *|*/10 9-17 * * mon-fri|0 0 31 * *|0 0 13 * 5""".replace("\n", "|").split("|")


def field(low, high):
    kind = random.randrange(6)
    # A range of one value croniter takes for the whole field; cron does not, nor do we.
    a, b = random.sample(range(low, high + 1), 2)
    return ["*", str(a), f"{min(a, b)}-{max(a, b)}", f"*/{random.randint(2, 9)}", f"{a},{b}", f"{min(a, b)}-{max(a, b)}/{random.randint(1, 4)}"][kind]


def drawn():
    return " ".join([field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)])


for expression in known + [drawn() for _ in range(200)]:
    times = croniter(expression, datetime(2023, 11, 5, 13, 37, tzinfo=timezone.utc))
    print(expression, *(times.get_next(datetime).strftime("%Y-%m-%dT%H:%M") for _ in range(12)), sep="\t")
