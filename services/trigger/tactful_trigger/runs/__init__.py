"""Runs of rules: how they begin, are driven, wait, stand still and end. Pure."""
