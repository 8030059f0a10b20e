"""A website's back end that moves money between its clients at random, in a process of its own.

    python -m tests.flows.teller < {"base_url", "key", "signing_secret", "currency", "clients", "seed",
                                    "orders"}

What has no answer is sent again with the same key until it has one. Prints what came of each order, as
[payer, payee, amount in base units, id or code of the refusal].
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

from tests.demo.website import ApiError, Website

LANES = 4
HIGHEST = 6_000_000


async def lane(website: Website, task: dict[str, Any], number: int) -> list[list[Any]]:
    """Some of the orders, one after the other."""
    chance = random.Random(f"{task['seed']}.{number}")
    done = []
    for order in range(number, task["orders"], LANES):
        payer, payee = chance.sample(task["clients"], 2)
        amount = chance.randint(1, HIGHEST)
        body = {"from": payer, "to": payee, "currency": task["currency"], "amount": f"0.{amount:08d}"}
        body |= {"external_id": f"bank-{task['seed']}-{order}", "reason": "bet"}
        try:
            came: str = (await website.post("/v1/transfers", body))["id"]
        except ApiError as error:
            came = error.code
        done.append([payer, payee, amount, came])
    return done


async def main() -> None:
    """All lanes at once."""
    task = json.load(sys.stdin)
    website = Website(task["base_url"], task["key"], task["signing_secret"])
    try:
        lanes = await asyncio.gather(*[lane(website, task, number) for number in range(LANES)])
    finally:
        await website.close()
    print(json.dumps([each for done in lanes for each in done]))


if __name__ == "__main__":
    asyncio.run(main())
