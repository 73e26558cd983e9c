# Sensors that take their time: a reading is awaited, and other calls go on meanwhile.
import asyncio


async def read(channel):
    await asyncio.sleep(0.005)
    return 100 + 10 * channel


imports = {
    "sensor": {"read": read},
    "env": {
        "sleep_ms": lambda ms: asyncio.sleep(ms / 1000),
        "show": lambda channel, value: print("sensor", channel, "is at", value),
    },
}
