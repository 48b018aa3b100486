"""An agent: reads its configuration as agents do, calls tools, and notes what it is told."""
import asyncio
import json
import os
import sys

from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client

NOTES = os.environ["NOTES"]
CALLS = 20


def note(line):
    with open(os.path.join(NOTES, "log"), "a") as log:
        log.write(line.replace("\n", " ") + "\n")


async def told(word):
    while not os.path.exists(os.path.join(NOTES, word)):
        await asyncio.sleep(0.02)


async def thinking():
    """Until all calls have reached the tool."""
    path = os.path.join(os.environ["HOME"], "thinking")
    while not os.path.exists(path) or len(open(path).readlines()) < CALLS:
        await asyncio.sleep(0.02)


async def add(session, a, b):
    result = await session.call_tool("add", {"a": a, "b": b})
    note("sum " + result.content[0].text)


async def main():
    (server,) = json.load(open(sys.argv[1]))["mcpServers"].values()
    parameters = StdioServerParameters(command=server["command"], args=server["args"], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        await add(session, 2, 3)
        await told("cut")
        call = asyncio.create_task(add(session, 40, 2))
        await asyncio.sleep(0.2)
        note("asked")
        await call
        await told("ask")
        calls = [asyncio.create_task(session.call_tool("think", {"number": n})) for n in range(CALLS)]
        await thinking()
        note("asked")
        results = await asyncio.gather(*calls, return_exceptions=True)
        failed = [result for result in results if isinstance(result, McpError)]
        note(f"failed {len(failed)} of {len(results)}")
        note(f"because {failed[0].error.code} {failed[0].error.message}")
        await told("end")


asyncio.run(main())
