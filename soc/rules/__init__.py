"""The `soc rules` commands: rules checked, listed, tested, explained, run over files, compared with what can fire."""
