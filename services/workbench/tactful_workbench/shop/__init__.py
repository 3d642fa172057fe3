"""What a shop brings along: its folders, templates, adapters and secrets."""
