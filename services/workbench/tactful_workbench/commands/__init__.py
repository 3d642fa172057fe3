"""The subcommands of `tactful`, one file each. Every one takes `--json`."""
