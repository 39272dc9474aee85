"""An SMS provider described in config.yaml: any aggregator with an HTTP interface, without code of its own."""
