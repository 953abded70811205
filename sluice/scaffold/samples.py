"""A few rows to begin with where there is no file: made up, always the same ones, two of them wrong on purpose."""

import csv
import io
import random

_ROWS = 600


def sample_csv(kind: str) -> str:
    """A CSV for a classifier, a regressor or a recommender."""
    made = {"classifier": _customers, "regressor": _flats, "recommender": _ratings}[kind](random.Random(7))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(made)
    return out.getvalue()


def _customers(numbers: random.Random) -> list[list[object]]:
    rows: list[list[object]] = [["customer_id", "months", "monthly_fee", "support_calls", "plan", "left"]]
    for customer in range(1, _ROWS + 1):
        months, calls = numbers.randint(0, 72), min(int(numbers.expovariate(0.6)), 12)
        plan = numbers.choice(["basic", "family", "business"])
        fee = {"basic": 15, "family": 35, "business": 60}[plan] + numbers.uniform(-5, 5)
        risk = 0.9 - months / 50 + calls * 0.45 + (0.6 if plan == "basic" else 0) + numbers.gauss(0, 0.5)
        rows.append([customer, months, f"{fee:.2f}", calls, plan, "yes" if risk > 1 else "no"])
    rows[5][2] = rows[9][2] = ""  # a fee that nobody knows is not wrong
    return [*rows, [_ROWS + 1, -4, "31.00", 1, "family", "no"], [_ROWS + 2, "many", "12.50", 0, "basic", "yes"]]


def _flats(numbers: random.Random) -> list[list[object]]:
    rows: list[list[object]] = [["id", "area", "rooms", "district", "price"]]
    for flat in range(1, _ROWS + 1):
        rooms = numbers.randint(1, 5)
        area, district = rooms * 22 + numbers.uniform(-6, 25), numbers.choice(["north", "south", "harbour"])
        worth = {"north": 2_400, "south": 2_900, "harbour": 4_100}[district]
        price = worth * area + 9_000 * rooms + numbers.gauss(0, 12_000)
        rows.append([flat, f"{area:.1f}", rooms, district, f"{price:.0f}"])
    return [*rows, [_ROWS + 1, "-50", 2, "north", "120000"], [_ROWS + 2, "large", 3, "south", "210000"]]


def _ratings(numbers: random.Random) -> list[list[object]]:
    tastes = ["garden", "kitchen", "music", "travel", "sport"]
    rows: list[list[object]] = [["user_id", "item_id", "title", "timestamp"]]
    for user in range(1, 121):
        taste = user % len(tastes)
        chosen = {
            (taste if numbers.random() < 0.8 else numbers.randrange(len(tastes))) * 12
            + min(int(numbers.expovariate(0.3)), 11)
            for _ in range(numbers.randint(8, 20))
        }
        for item in sorted(chosen):
            when = 1_700_000_000 + numbers.randrange(20_000_000)
            rows.append([user, item + 1, f"{tastes[item // 12]} {item % 12 + 1}", when])
    return [*rows, ["", 3, "garden 3", 1_700_000_500], [5, "", "music 9", 1_700_000_900]]
