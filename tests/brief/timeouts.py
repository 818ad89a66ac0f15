from layer_sdk import layer

layer.init(
    # ... other configuration options ...
    http_timeout=15,
)
