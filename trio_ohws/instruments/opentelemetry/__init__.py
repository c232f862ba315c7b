"""Spans and metrics of connections, for OpenTelemetry; needs the extra ``otel``."""

from trio_ohws.instruments.opentelemetry.instrument import OpenTelemetryInstrument

__all__ = ["OpenTelemetryInstrument"]

for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
