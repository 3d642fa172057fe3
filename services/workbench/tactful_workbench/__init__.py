"""Workbench: where rules are made and the embedded size is put together."""
