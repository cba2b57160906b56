"""Count in a store's file, and print each number that the store has accepted: PATH TIMES."""

import asyncio
import sys

from customersms_async._limit.stores.file import FileStore
from customersms_async._ports.store import StoreAway


async def count(store: FileStore) -> int:
    seen = await store.read("a")
    while True:
        number = int(seen.value or b"0") + 1
        swap = await store.swap("a", seen, b"%d" % number)
        if swap.done:
            return number
        seen = swap.seen


async def main() -> None:
    store = FileStore(sys.argv[1])
    for _ in range(int(sys.argv[2])):
        try:
            print(await count(store), flush=True)
        except StoreAway as exc:
            print(f"away: {exc}", flush=True)
            await asyncio.sleep(0.3)
    await store.aclose()


asyncio.run(main())
