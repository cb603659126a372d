"""What the commands say of rules and events: values in, values out, nothing printed."""
