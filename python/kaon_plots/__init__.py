"""Figures of kaon's files and runs."""
