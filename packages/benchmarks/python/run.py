"""The asyncio originals of our cases: `run.py LOOP WORK OPERATIONS` does the work once for each line it reads."""

import asyncio
import sys


async def queue(operations):
    items = asyncio.Queue(maxsize=100)

    async def produce():
        for n in range(operations):
            await items.put(n)

    async def consume():
        for _ in range(operations):
            await items.get()

    await asyncio.gather(produce(), consume())


async def gather(operations):
    limit = asyncio.Semaphore(10)

    async def job():
        async with limit:
            await asyncio.sleep(0)

    await asyncio.gather(*(job() for _ in range(operations)))


async def tasks(operations):
    running = set()

    async def job():
        await asyncio.sleep(0)

    for _ in range(operations):
        task = asyncio.create_task(job())
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.wait(set(running))


WORK = {"queue": queue, "gather": gather, "tasks": tasks}


async def main(work, operations):
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        await work(operations)
        print("done", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(main(WORK[sys.argv[2]], int(sys.argv[3])))
