"""What keeps a deployment from working as it should, each finding with what to do."""
