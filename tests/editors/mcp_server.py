"""Tools: one that answers, and one that never does."""
import asyncio
import os
import sys

from mcp.server.fastmcp import FastMCP

server = FastMCP("tools")


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


@server.tool()
async def think(number: int) -> int:
    with open(os.path.join(os.environ["HOME"], "thinking"), "a") as thinking:
        thinking.write(f"{number}\n")
    await asyncio.sleep(100000)
    return number


server.run()
