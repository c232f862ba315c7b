"""Instruments that are ready to use; `Instrument` itself is in `trio_ohws`.

The one for OpenTelemetry is in `trio_ohws.instruments.opentelemetry`, which needs the extra ``otel``.
"""

from trio_ohws.instruments.log import LoggingInstrument

__all__ = ["LoggingInstrument"]

for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
