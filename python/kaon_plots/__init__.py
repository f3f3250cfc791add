"""Figures of what kaon's files and runs hold."""
