"""Modules from the tool chains of WAMR's guide, compiled here and run on the runtime."""
