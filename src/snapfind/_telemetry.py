"""Switch off the telemetry of other packages; importing this module does it.

It must be imported before those packages: ONNX Runtime 1.29 and later starts reporting with its import, and its own
`disable_telemetry_events()` comes too late. A variable that the user has set is left alone.
"""

import os

__all__: list[str] = []

for _name, _value in {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_name, _value)
